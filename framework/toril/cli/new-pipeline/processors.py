"""The code of this pipeline's jobs; `plugins.paths` in toril.yaml names this file."""

from dataclasses import dataclass

from toril import Job, hookimpl, processor


@dataclass
class GreetParams:
    greeting: str = "Hello"


@processor("hello.greet", params=GreetParams)
async def greet(job: Job, params: GreetParams) -> dict[str, str]:
    text = f"{params.greeting}, {job.data['name']}!"
    await job.log(text)
    return {"text": text}


@hookimpl
def toril_processors() -> list[object]:
    return [greet]
