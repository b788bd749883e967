"""What the wrong pipelines use."""

from typing import Literal

import msgspec

from toril import hookimpl, processor


class Limits(msgspec.Struct):
    per_page: int = 100


class SyncParams(msgspec.Struct):
    api_key: str
    mode: Literal["fast", "full"] = "fast"
    limits: Limits | None = None
    ratio: float | None = None


@processor("shop.sync", params=SyncParams)
async def sync(job, params):
    return None


@processor("shop.greet")
def greet(job):
    return None


@hookimpl
def toril_processors():
    return [sync, greet]
