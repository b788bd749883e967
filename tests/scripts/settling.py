"""What the tables of lua/settle_and_claim.lua are written in."""

from __future__ import annotations

from toril.declarations.job_type import KeepRule
from toril.runtime.calls.add import add_jobs
from toril.runtime.calls.claim import Owner
from toril.runtime.calls.settle import settle_and_claim
from toril.runtime.job import NewJob
from toril.runtime.outcomes import Completed, Failed

NOW = 1_790_000_000_000
OWNER = Owner("tok", 30_000, "w1")
FOREVER = KeepRule()
NOT_AT_ALL = KeepRule(count=0)
MANUAL_LIMIT = 9007199254740991


def job(job_id: str, **more) -> NewJob:
    fields = {"queue": "orders", "name": "sync", "data": b"{}", "timestamp_ms": NOW, **more}
    return NewJob(id=job_id, **fields)


def add(*jobs: NewJob | str):
    made = [job(one) if isinstance(one, str) else one for one in jobs]
    return lambda keys: add_jobs(keys.prefix, made, now_ms=NOW)


def claim(count: int, *, now_ms: int = NOW, owner: Owner = OWNER):
    return lambda keys: settle_and_claim(keys, owner=owner, claim=count, now_ms=now_ms)


def settle(*outcomes, claim: int = 0, now_ms: int = NOW + 50, owner: Owner = OWNER):
    return lambda keys: settle_and_claim(
        keys, owner=owner, outcomes=outcomes, claim=claim, now_ms=now_ms
    )


def completed(job_id: str, result: bytes = b"1", keep: KeepRule = FOREVER, **more) -> Completed:
    return Completed(job_id, result, keep, **more)


def failed(
    job_id: str, keep: KeepRule = FOREVER, attempts: int = 1, reason: str = "boom"
) -> Failed:
    return Failed(job_id, reason, b'["trace"]', keep, attempts)


def due(ms: int, order: int = 0) -> int:
    return (NOW + ms) * 4096 + order


#: One job that the owner runs.
RUNNING = [add("a"), claim(1)]
ACTIVE = {"active": ["a"], "a:lock": "tok"}
