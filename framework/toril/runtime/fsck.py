"""Checks a queue's keys against each other, as `toril doctor --fsck` does.

A queue is read in many small steps while others work on it, so what looks wrong is read again, and
only what looks wrong twice is told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from toril.clock import Clock, SystemClock
from toril.declarations.cron import next_tick_ms
from toril.runtime.keys import QueueKeys
from toril.runtime.queue_image import JobImage, QueueImage, RecordImage, read_image
from toril.runtime.sender import AsyncSender

#: The states in which a job still has something before it.
_UNFINISHED = ("wait", "paused", "active", "prioritized", "delayed", "waiting-children")
_READY = ("wait", "paused", "prioritized")


@dataclass(frozen=True, order=True, slots=True)
class Finding:
    """Something that is wrong in a queue."""

    queue: str
    #: Stable, for programs: `job-in-no-state`, `lock-without-ttl`, ...
    code: str
    #: The job, schedule or key.
    subject: str
    #: One sentence.
    message: str


async def check_queue(
    sender: AsyncSender, keys: QueueKeys, *, clock: Clock | None = None
) -> list[Finding]:
    """Gives everything that is wrong in the queue, sorted; nothing is repaired."""
    clock = clock or SystemClock()
    first = find_faults(await read_image(sender, keys), now_ms=clock.now_ms())
    if not first:
        return []
    again = find_faults(await read_image(sender, keys), now_ms=clock.now_ms())
    return sorted(set(first) & set(again))


def find_faults(image: QueueImage, *, now_ms: int) -> list[Finding]:
    """Checks a queue that was read; pure."""
    checks = (
        _check_states,
        _check_jobs,
        _check_locks,
        _check_parents,
        _check_children,
        _check_marker,
        _check_lives,
        _check_unknown,
    )
    found = [
        Finding(image.keys.queue, code, subject, message)
        for check in checks
        for code, subject, message in check(image)
    ]
    found += [
        Finding(image.keys.queue, code, subject, message)
        for code, subject, message in _check_schedules(image, now_ms)
    ]
    return sorted(found)


#: Code, subject, sentence.
_Fault = tuple[str, str, str]


def _check_states(image: QueueImage) -> Iterator[_Fault]:
    places: dict[str, list[str]] = {}
    for state, ids in image.states.items():
        for job_id in ids:
            places.setdefault(job_id, []).append(state)
    for job_id, states in places.items():
        if len(states) > 1:
            where = ", ".join(f"{n} times in {s}" for s, n in Counter(states).items() if n > 1)
            where = where or " and ".join(sorted(states))
            yield "job-listed-twice", job_id, f"job {job_id!r} is listed twice: {where}"
        if job_id not in image.jobs:
            yield (
                "listed-without-job",
                job_id,
                f"{states[0]} lists job {job_id!r}, which does not exist",
            )


def _check_jobs(image: QueueImage) -> Iterator[_Fault]:
    listed = {job_id for ids in image.states.values() for job_id in ids}
    for job_id, job in image.jobs.items():
        if not job.is_complete:
            yield "job-without-data", job_id, f"job {job_id!r} has no name or no data"
        if job_id not in listed:
            yield "job-in-no-state", job_id, f"job {job_id!r} is in no state"
    for part, ids in image.parts.items():
        for job_id in ids - image.jobs.keys():
            # A lock may outlive its job until it runs out; `dn` is checked with its owner.
            if part not in ("lock", "dn"):
                yield (
                    "part-without-job",
                    f"{job_id}:{part}",
                    f"key {job_id}:{part} belongs to no job",
                )


def _check_locks(image: QueueImage) -> Iterator[_Fault]:
    active = set(image.states.get("active", ()))
    for job_id, life_ms in image.locks.items():
        if life_ms == -1:
            yield (
                "lock-without-ttl",
                job_id,
                f"the lock of job {job_id!r} never runs out",
            )
        if life_ms != -2 and job_id not in active:
            yield (
                "lock-without-active-job",
                job_id,
                f"job {job_id!r} is locked, but not active",
            )


def _check_parents(image: QueueImage) -> Iterator[_Fault]:
    """Parents against the children they wait for."""
    for job_id in image.states.get("waiting-children", ()):
        if job_id in image.jobs and not image.dependencies.get(job_id):
            yield (
                "parent-waits-for-nothing",
                job_id,
                f"job {job_id!r} waits for children and has none left",
            )
    completed = set(image.states.get("completed", ()))
    for job_id, children in image.dependencies.items():
        if job_id in completed:
            yield (
                "completed-before-children",
                job_id,
                f"job {job_id!r} is completed, but children of it are pending",
            )
        for child in children:
            yield from _check_awaited_child(image, job_id, child)


def _check_awaited_child(image: QueueImage, job_id: str, child: str) -> Iterator[_Fault]:
    relative = image.relatives.get(child)
    if relative is None:
        return
    wrong = None
    if not relative.exists:
        wrong = "does not exist"
    elif image.keys.job(job_id) not in relative.parent_keys:
        wrong = "does not name it as its parent"
    elif relative.is_completed:
        wrong = "is completed"
    if wrong:
        yield (
            "child-not-pending",
            child,
            f"job {job_id!r} waits for child {child!r}, which {wrong}",
        )


def _check_children(image: QueueImage) -> Iterator[_Fault]:
    """Children that have not finished against the parents they name."""
    for state in _UNFINISHED:
        for job_id in image.states.get(state, ()):
            job = image.jobs.get(job_id)
            parent = image.relatives.get(job.parent_key) if job and job.parent_key else None
            if parent is None or not parent.exists:
                continue
            if image.keys.job(job_id) not in parent.waits_for:
                yield (
                    "parent-does-not-wait",
                    job_id,
                    f"job {job_id!r} is a child of {job.parent_key if job else None!r}, "
                    "which does not wait for it",
                )


def _check_schedules(image: QueueImage, now_ms: int) -> Iterator[_Fault]:
    unfinished = {job_id for state in _UNFINISHED for job_id in image.states.get(state, ())}
    for name, next_ms in image.schedulers.items():
        record = image.records[name]
        if not record.exists:
            yield "schedule-without-record", name, f"schedule {name!r} has no record"
            continue
        tick = f"repeat:{name}:{next_ms}"
        is_over = next_ms <= now_ms and _has_no_more_ticks(record, next_ms, now_ms)
        if tick not in unfinished and not is_over:
            yield "schedule-without-tick", name, f"schedule {name!r} has no next tick"
    for job_id, job in image.jobs.items():
        yield from _check_tick(image, job_id, job, unfinished)


def _has_no_more_ticks(record: RecordImage, last_ms: int, now_ms: int) -> bool:
    if record.limit is not None and record.added_ticks >= record.limit:
        return True
    if record.end_ms is None:
        return False
    following_ms: int | None = now_ms
    if record.every_ms:
        following_ms = last_ms + record.every_ms
        if following_ms < now_ms:
            following_ms = now_ms + record.every_ms - (now_ms - last_ms) % record.every_ms
    elif record.cron is not None:
        try:
            following_ms = next_tick_ms(record.cron, now_ms, record.timezone or "UTC")
        except ValueError:
            return False
    return following_ms is None or max(following_ms, now_ms) > record.end_ms


def _check_tick(
    image: QueueImage, job_id: str, job: JobImage, unfinished: set[str]
) -> Iterator[_Fault]:
    """A tick that never started is its schedule's next one; a removed schedule has none delayed."""
    if job.schedule is None or job.was_started or job_id not in unfinished:
        return
    next_ms = image.schedulers.get(job.schedule)
    if next_ms is not None and job_id != f"repeat:{job.schedule}:{next_ms}":
        yield (
            "second-tick",
            job_id,
            f"job {job_id!r} is a second pending tick of schedule {job.schedule!r}",
        )
    elif next_ms is None and job_id in image.states.get("delayed", ()):
        yield (
            "tick-without-schedule",
            job_id,
            f"job {job_id!r} is a tick of schedule {job.schedule!r}, which does not exist",
        )


def _check_marker(image: QueueImage) -> Iterator[_Fault]:
    has_work = any(image.states.get(state) for state in _READY)
    active = len(image.states.get("active", ()))
    is_full = image.max_active is not None and active >= image.max_active
    if has_work and not (image.has_marker or image.is_paused or is_full or image.limiter_ms > 0):
        yield "no-marker", "marker", "jobs wait, but no marker tells idle workers"


def _check_lives(image: QueueImage) -> Iterator[_Fault]:
    for name, life_ms in (("limiter", image.limiter_ms), ("stalled-check", image.stalled_check_ms)):
        if life_ms == -1:
            yield f"{name}-without-ttl", name, f"key {name} never runs out"
    for dedup_id, (owner, life_ms) in image.dedups.items():
        if life_ms == -1 and owner not in image.jobs:
            yield (
                "deduplication-without-job",
                dedup_id,
                f"deduplication id {dedup_id!r} is held for ever by job {owner!r}, "
                "which does not exist",
            )
    for dedup_id in image.parts.get("dn", set()) - image.dedups.keys():
        yield (
            "next-without-deduplication",
            dedup_id,
            f"a job waits behind deduplication id {dedup_id!r}, which nobody holds",
        )


def _check_unknown(image: QueueImage) -> Iterator[_Fault]:
    for key in image.unknown:
        yield "unknown-key", key, f"key {key!r} is of no known kind"
