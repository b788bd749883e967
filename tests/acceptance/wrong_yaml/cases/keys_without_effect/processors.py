"""What the wrong pipelines use."""

from decimal import Decimal
from typing import Literal

import msgspec

from toril import hookimpl, processor


class Limits(msgspec.Struct):
    per_page: int = 100


class SyncParams(msgspec.Struct):
    api_key: str
    fee: Decimal = Decimal(0)
    mode: Literal["fast", "full"] = "fast"
    limits: Limits | None = None
    ratio: float | None = None

    def __post_init__(self) -> None:
        if self.ratio is not None and self.fee > 100:
            raise ValueError("with a ratio the fee is at most 100")


@processor("shop.sync", params=SyncParams)
async def sync(job, params):
    return None


@processor("shop.greet")
def greet(job):
    return None


@hookimpl
def toril_processors():
    return [sync, greet]
