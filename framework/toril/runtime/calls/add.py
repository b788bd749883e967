"""The call that adds jobs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Any

import msgspec

from toril.declarations.backoff import MAX_DELAY_MS
from toril.declarations.child_failure import ChildFailure
from toril.errors import AddError
from toril.runtime.call import Call
from toril.runtime.calls.deduplication import pack_deduplication
from toril.runtime.codec import LONG_NAMES, JobOpts, encode_json, encode_opts, validate_job_id
from toril.runtime.job import NewJob, ParentLink
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import FURTHER_PARENTS, JOB_FIELDS
from toril.runtime.packing import pack

#: BullMQ's bound: a priority and the order within it share the 53 bits of a score.
MAX_PRIORITY = 2**21 - 1

#: By which BullMQ's scripts know what to do with a failed child's parent; to wait is none.
_FLAGS = {
    ChildFailure.FAIL: "fpof",
    ChildFailure.IGNORE: "idof",
    ChildFailure.CONTINUE: "cpof",
    ChildFailure.REMOVE: "rdof",
}


class Added(msgspec.Struct, frozen=True):
    """A job that is stored now, `created` by this call or there before.

    For a job that deduplication kept out it is the one that stands for it.
    """

    id: str
    created: bool


def add_jobs(
    prefix: str, jobs: Sequence[NewJob], *, now_ms: int, again_since_ms: int = 0
) -> Call[list[Added]]:
    """Adds jobs of any queues, all or none; a parent stands before its children.

    `again_since_ms` is for the same jobs once more after a lost reply: when the first call was
    made. What that call stored counts as created, also if it has run and was removed since.
    An id that exists already adds nothing and changes nothing. Raises AddError for a job that
    cannot be stored; the reply raises it for a parent that is missing or not the job's own.
    """
    if len(jobs) == 1 and not again_since_ms and _is_plain(jobs[0]):
        return _add_plain(prefix, jobs)
    queues: dict[str, int] = {}
    numbers: dict[tuple[Any, ...], int] = {}
    shapes: list[dict[str, Any]] = []
    packed: list[Any] = []
    for job in jobs:
        if not job.is_id_new:
            validate_job_id(job.id)
        alike = _tell_alike(job)
        number = numbers.get(alike)
        if number is None:
            queue = queues.setdefault(job.queue, len(queues) + 1)
            shapes.append(_make_shape(prefix, job, queue))
            number = numbers[alike] = len(shapes)
        packed += (number, job.id, job.data)
    return Call(
        "add",
        tuple(_find_base(prefix, queue) for queue in queues),
        (now_ms, pack(shapes), pack(packed), again_since_ms),
        _reply_parser(jobs),
    )


def _is_plain(job: NewJob) -> bool:
    """Tells whether a job has nothing but what most have, so that the short script will do."""
    return not (
        job.delay_ms
        or job.priority
        or job.lifo
        or job.own
        or job.schedule
        or job.parent
        or job.waits_for_children
        or job.is_held
        or "deduplication" in job.opts
    )


def _add_plain(prefix: str, jobs: Sequence[NewJob]) -> Call[list[Added]]:
    (job,) = jobs
    if not job.is_id_new:
        validate_job_id(job.id)
    _check_job(job)
    return Call(
        "add_plain",
        (_find_base(prefix, job.queue),),
        (job.id, job.name, job.data, _encode_opts(job, {}), job.timestamp_ms),
        lambda reply: [Added(job.id, reply == b"1")],
    )


@lru_cache(maxsize=1024)
def _find_base(prefix: str, queue: str) -> str:
    return QueueKeys(prefix, queue).base


def _tell_alike(job: NewJob) -> tuple[Any, ...]:
    """Gives what tells jobs apart that differ by more than id and data."""
    return (
        job.queue,
        job.name,
        id(job.opts),
        job.timestamp_ms,
        job.delay_ms,
        job.priority,
        job.lifo,
        job.parent,
        job.further_parents,
        job.waits_for_children,
        job.is_held,
        id(job.own),
        job.schedule,
        job.is_id_new or job.id,
    )


def _make_shape(prefix: str, job: NewJob, queue: int) -> dict[str, Any]:
    """Gives what jobs that are alike have in common, as the script takes it."""
    _check_job(job)
    shape: dict[str, Any] = {
        "queue": queue,
        "name": job.name,
        "timestamp": job.timestamp_ms,
        "delay": job.delay_ms,
        "priority": job.priority,
    }
    for flag in ("lifo", "waits_for_children", "is_held", "is_id_new"):
        if getattr(job, flag):
            shape[flag] = True
    opts: dict[str, Any] = {}
    more = [part for item in job.own.items() for part in item]
    if job.schedule is not None:
        more += ["rjk", job.schedule]
    dedup = pack_deduplication(job)
    if dedup is not None:
        shape["dedup"] = dedup
        more += ["deid", dedup["id"]]
    if job.further_parents:
        links = [_link(prefix, parent) for parent in job.further_parents]
        shape["further"] = [key for key, _ in links]
        stored = [[key, link.decode()] for key, link in links]
        more += [FURTHER_PARENTS, encode_json(stored, "further parents").decode()]
    if job.parent is not None:
        parent_queue = QueueKeys(prefix, job.parent.queue)
        shape["parent_key"], shape["parent"] = _link(prefix, job.parent)
        opts["parent"] = {"id": job.parent.id, "queue": parent_queue.qualified_name}
        policy = _FLAGS.get(job.parent.on_failure)
        if policy is not None:
            opts[LONG_NAMES[policy]] = True
    if more:
        shape["more"] = more
    shape["opts"] = _encode_opts(job, opts)
    return shape


def _check_job(job: NewJob) -> None:
    if not 0 <= job.priority <= MAX_PRIORITY:
        raise AddError(
            f"job {job.id!r}: expected a priority of 0 to {MAX_PRIORITY}, got {job.priority}"
        )
    if not 0 <= job.delay_ms <= MAX_DELAY_MS:
        raise AddError(
            f"job {job.id!r}: expected a delay of at most ten years, got {job.delay_ms} ms"
        )
    if not job.name:
        raise AddError(f"job {job.id!r} has no name")
    if job.parent is not None and ":" in job.parent.id:
        # Scripts find a parent's id behind the last colon of its key.
        raise AddError(
            f"job {job.id!r} cannot be a child of {job.parent.id!r}, whose id holds ':' as a "
            "schedule's jobs have; have that job add one that has children, or schedule a flow"
        )
    if job.own and not job.own.keys() <= JOB_FIELDS:
        unknown = sorted(job.own.keys() - JOB_FIELDS)
        raise AddError(f"job {job.id!r} carries fields that own_fields.py does not list: {unknown}")


def _encode_opts(job: NewJob, more: dict[str, Any]) -> bytes:
    """Adds what Node stores beside what the caller chose; BullMQ's tools read it there."""
    opts: dict[str, Any] = {} if job.is_id_new else {"jobId": job.id}
    if job.delay_ms:
        opts["delay"] = job.delay_ms
    if job.priority:
        opts["priority"] = job.priority
    if job.lifo:
        opts["lifo"] = True
    opts.update(more)
    if not opts and isinstance(job.opts, JobOpts):
        return job.opts.json
    return encode_opts({"attempts": 0, **job.opts, **opts})


def _link(prefix: str, parent: ParentLink) -> tuple[str, bytes]:
    """Gives a parent's key, and what is stored of it with the child."""
    queue = QueueKeys(prefix, parent.queue)
    return queue.job(parent.id), _encode_parent(parent, queue)


def _encode_parent(parent: ParentLink, queue: QueueKeys) -> bytes:
    link: dict[str, Any] = {"id": parent.id, "queueKey": queue.qualified_name}
    flag = _FLAGS.get(parent.on_failure)
    if flag is not None:
        link[flag] = True
    return encode_json(link, "parent")


def _reply_parser(jobs: Sequence[NewJob]) -> Callable[[Any], list[Added]]:
    def parse(reply: Any) -> list[Added]:
        if isinstance(reply, list):
            flags, *others = reply
            if isinstance(flags, int):
                raise _refusal(jobs[int(others[0]) - 1], flags)
            return _read_stand_ins(jobs, flags, others)
        return [Added(job.id, flag == 0x31) for job, flag in zip(jobs, reply, strict=True)]

    return parse


def _read_stand_ins(jobs: Sequence[NewJob], flags: bytes, others: Sequence[bytes]) -> list[Added]:
    stand_ins = iter(others)
    return [
        Added(next(stand_ins).decode("utf-8", "replace"), False)
        if flag == 0x32
        else Added(job.id, flag == 0x31)
        for job, flag in zip(jobs, flags, strict=True)
    ]


def _refusal(job: NewJob, code: int) -> AddError:
    parent = job.parent.id if job.parent else None
    if code == -5:
        return AddError(f"job {job.id!r} cannot be added: its parent {parent!r} does not exist")
    return AddError(f"job {job.id!r} exists and is a child of another parent than {parent!r}")
