"""Deduplication: how a job that asks for it is packed; calls on who holds a deduplication id.

A job's `opts` carry BullMQ's `deduplication`: id, ttl in ms, extend, replace, keepLastIfActive and
reschedule. `lua/lib/deduplicate.lua` tells what they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.declarations.backoff import MAX_DELAY_MS
from toril.errors import AddError, JobNotFound
from toril.runtime.call import Call
from toril.runtime.codec import MAX_ID_BYTES
from toril.runtime.job import NewJob
from toril.runtime.keys import QueueKeys

#: BullMQ's flags, and what the script calls them.
_FLAGS = {
    "extend": "extend",
    "replace": "replace",
    "keepLastIfActive": "keep_last",
    "reschedule": "reschedule",
}


def pack_deduplication(job: NewJob) -> dict[str, Any] | None:
    """Gives what the add script takes, None for a job that asks for none; raises AddError."""
    rule = job.opts.get("deduplication")
    if rule is None:
        return None
    check_deduplication(rule, where=f"job {job.id!r}: ")
    if job.parent is not None or job.waits_for_children:
        raise AddError(f"job {job.id!r} belongs to a flow, where BullMQ allows no deduplication")
    flags = {name: True for flag, name in _FLAGS.items() if rule.get(flag)}
    return {"id": rule["id"], "ttl": rule.get("ttl") or 0, **flags}


def check_deduplication(rule: Mapping[str, Any], *, where: str = "") -> None:
    """Raises AddError for a rule that the script cannot take; `where` begins its sentence."""
    _check_id(rule.get("id"), where)
    ttl = rule.get("ttl")
    if ttl is not None and (type(ttl) is not int or not 1 <= ttl <= MAX_DELAY_MS):
        raise AddError(f"{where}expected a deduplication ttl of 1 ms to ten years, got {ttl!r}")
    if rule.get("extend") and ttl is None:
        raise AddError(f"{where}a deduplication that extends its ttl needs a ttl")
    if rule.get("replace") and rule.get("reschedule"):
        raise AddError(f"{where}expected a deduplication to replace or to reschedule, got both")


def _check_id(dedup_id: object, where: str) -> None:
    if not isinstance(dedup_id, str) or not dedup_id:
        raise AddError(f"{where}expected a deduplication id, got {dedup_id!r}")
    if len(dedup_id.encode("utf-8", "replace")) > MAX_ID_BYTES:
        raise AddError(
            f"{where}expected a deduplication id of at most {MAX_ID_BYTES} bytes, "
            f"got {dedup_id[:60]!r}"
        )


def read_owner(keys: QueueKeys, dedup_id: str) -> Call[str | None]:
    """Tells which job holds a deduplication id; it may be gone if the id has a time to run."""

    def parse(reply: bytes | None) -> str | None:
        return None if reply is None else reply.decode("utf-8", "replace")

    return Call(None, (), ("GET", keys.deduplication(dedup_id)), parse)


def release(keys: QueueKeys, dedup_id: str) -> Call[bool]:
    """Frees a deduplication id, whoever holds it; gives False if nobody did."""
    return Call(None, (), ("DEL", keys.deduplication(dedup_id)), bool)


def release_of_job(keys: QueueKeys, job_id: str) -> Call[bool]:
    """Frees the deduplication id of a job, if it still holds it; the reply raises JobNotFound."""

    def parse(reply: int) -> bool:
        if reply == -1:
            raise JobNotFound(f"no job {job_id!r} in queue {keys.queue!r}")
        return reply == 1

    return Call("release_deduplication", (keys.base,), (job_id,), parse)
