from dataclasses import dataclass

from toril import hookimpl, parse_duration_ms, processor


@dataclass
class Settings:
    timeout: str = "30s"

    def __post_init__(self):
        parse_duration_ms(self.timeout)


@processor("shop.sync", settings=Settings)
async def sync(job, settings):
    return settings.timeout


@hookimpl
def toril_processors():
    return [sync]
