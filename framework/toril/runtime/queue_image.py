"""All keys of a queue, read into memory for `fsck`: not one instant, but a short time."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.exceptions import ResponseError

from toril.runtime.call import Arg, Call
from toril.runtime.codec import decode_json
from toril.runtime.keys import QUEUE_SUFFIXES, QueueKeys, parse_job_key
from toril.runtime.own_fields import FURTHER_PARENTS
from toril.runtime.sender import AsyncSender

T = TypeVar("T")

_CHUNK = 500
_LISTS = ("wait", "paused", "active")
_SETS = ("prioritized", "delayed", "waiting-children", "completed", "failed")
#: What stands behind a job's key in the name of another key of it.
_PARTS = ("lock", "logs", "dependencies", "processed", "failed", "unsuccessful")
_KNOWN_STARTS = ("metrics:", "meta:t:", "meta:")
_TICK = re.compile(r"repeat:(.+):([0-9]+)")
_JOB_FIELDS = ("name", "data", "parentKey", "rjk", "ats")
_RECORD_FIELDS = ("name", "ic", "limit", "endDate", "every", "pattern", "tz")


@dataclass(slots=True)
class JobImage:
    """What fsck looks at of a job's hash."""

    is_complete: bool
    parent_key: str | None
    schedule: str | None
    was_started: bool


@dataclass(slots=True)
class RecordImage:
    """What fsck looks at of a job scheduler's record."""

    exists: bool
    added_ticks: int
    limit: int | None
    end_ms: int | None
    every_ms: int | None
    cron: str | None
    timezone: str | None


@dataclass(slots=True)
class RelativeImage:
    """What fsck looks at of a parent or child, in whichever queue."""

    exists: bool = False
    #: All of them, those that BullMQ does not know too.
    parent_keys: frozenset[str] = frozenset()
    is_completed: bool = False
    #: Keys of the children it waits for.
    waits_for: frozenset[str] = frozenset()


@dataclass(slots=True)
class QueueImage:
    """A queue as it was read."""

    keys: QueueKeys
    #: Ids by the name of the key they are listed in, as often as they are.
    states: dict[str, list[str]] = field(default_factory=dict)
    jobs: dict[str, JobImage] = field(default_factory=dict)
    #: PTTL of each lock.
    locks: dict[str, int] = field(default_factory=dict)
    #: Ids that have keys of this kind: logs, processed, failed, unsuccessful, dependencies.
    parts: dict[str, set[str]] = field(default_factory=dict)
    #: Keys of the children that each job waits for.
    dependencies: dict[str, list[str]] = field(default_factory=dict)
    relatives: dict[str, RelativeImage] = field(default_factory=dict)
    #: The next tick of each job scheduler.
    schedulers: dict[str, int] = field(default_factory=dict)
    records: dict[str, RecordImage] = field(default_factory=dict)
    #: Owner's id and PTTL of each deduplication id.
    dedups: dict[str, tuple[str, int]] = field(default_factory=dict)
    #: PTTL of `limiter` and `stalled-check`; -2 where there is none.
    limiter_ms: int = -2
    stalled_check_ms: int = -2
    has_marker: bool = False
    is_paused: bool = False
    max_active: int | None = None
    #: Keys that nobody knows, as they stand in Redis.
    unknown: list[str] = field(default_factory=list)


async def read_image(sender: AsyncSender, keys: QueueKeys) -> QueueImage:
    """Reads a queue in small commands, so that nobody else has to wait for it."""
    image = QueueImage(keys)
    reader = _Reader(sender, image)
    await reader.read_settings()
    await reader.read_schedulers()
    candidates = await reader.sort_keys()
    await reader.read_states()
    await reader.read_jobs(candidates)
    await reader.read_parts()
    await reader.read_relatives()
    return image


class _Reader:
    def __init__(self, sender: AsyncSender, image: QueueImage) -> None:
        self._sender = sender
        self._image = image
        self._keys = image.keys

    async def read_settings(self) -> None:
        keys, image = self._keys, self._image
        limiter, stalled_check, marker, paused, concurrency = await self._ask(
            ("PTTL", keys.limiter),
            ("PTTL", keys.stalled_check),
            ("ZSCORE", keys.marker, "0"),
            ("HEXISTS", keys.meta, "paused"),
            ("HGET", keys.meta, "concurrency"),
        )
        image.limiter_ms, image.stalled_check_ms = int(limiter), int(stalled_check)
        image.has_marker, image.is_paused = marker is not None, bool(paused)
        image.max_active = _number(concurrency)

    async def read_schedulers(self) -> None:
        image = self._image
        async for page in self._pages("ZRANGE", self._keys.repeat, with_scores=True):
            image.schedulers.update({_text(member): int(score) for member, score in page})
        for chunk in _chunks(list(image.schedulers)):
            rows = await self._ask(
                *(("HMGET", self._keys.scheduler(name), *_RECORD_FIELDS) for name in chunk)
            )
            for name, (stored, ic, limit, end, every, pattern, tz) in zip(chunk, rows, strict=True):
                image.records[name] = RecordImage(
                    exists=stored is not None,
                    added_ticks=_number(ic) or 1,
                    limit=_number(limit),
                    end_ms=_number(end),
                    every_ms=_number(every),
                    cron=None if pattern is None else _text(pattern),
                    timezone=None if tz is None else _text(tz),
                )

    async def sort_keys(self) -> list[str]:
        """Notes what each key is, and gives the ids of those that may be jobs."""
        candidates: list[str] = []
        cursor: Any = 0
        pattern = re.sub(r"([*?\[\]\\^-])", r"\\\1", self._keys.base) + "*"
        while True:
            [(cursor, found)] = await self._ask(("SCAN", cursor, "MATCH", pattern, "COUNT", _CHUNK))
            for raw in found:
                self._sort_key(_text(raw).removeprefix(self._keys.base), candidates)
            if not int(cursor):
                return candidates

    def _sort_key(self, name: str, candidates: list[str]) -> None:
        image = self._image
        if name in QUEUE_SUFFIXES or name.startswith(_KNOWN_STARTS):
            return
        if name.startswith("de:"):
            image.dedups[name[3:]] = ("", -2)
        elif name.startswith("dn:"):
            image.parts.setdefault("dn", set()).add(name[3:])
        elif name.startswith("repeat:") and name[7:] in image.schedulers:
            return
        else:
            self._sort_job_key(name, candidates)

    def _sort_job_key(self, name: str, candidates: list[str]) -> None:
        job_id, _, part = name.rpartition(":")
        if job_id and part in _PARTS:
            self._image.parts.setdefault(part, set()).add(job_id)
        elif ":" not in name or _TICK.fullmatch(name):
            candidates.append(name)
        else:
            self._image.unknown.append(self._keys.base + name)

    async def read_states(self) -> None:
        for name in _LISTS:
            ids: list[str] = self._image.states.setdefault(name, [])
            async for page in self._pages("LRANGE", self._keys.base + name):
                ids.extend(map(_text, page))
        for name in _SETS:
            ids = self._image.states.setdefault(name, [])
            async for page in self._pages("ZRANGE", self._keys.base + name):
                ids.extend(map(_text, page))

    async def read_jobs(self, candidates: Sequence[str]) -> None:
        for chunk in _chunks(candidates):
            rows = await self._ask(
                *(("HMGET", self._keys.job(job_id), *_JOB_FIELDS) for job_id in chunk)
            )
            for job_id, row in zip(chunk, rows, strict=True):
                if row is None:
                    self._image.unknown.append(self._keys.job(job_id))
                else:
                    self._image.jobs[job_id] = _to_job(row)

    async def read_parts(self) -> None:
        image, keys = self._image, self._keys
        for chunk in _chunks(sorted(image.parts.get("lock", ()))):
            lives = await self._ask(*(("PTTL", keys.lock(job_id)) for job_id in chunk))
            image.locks.update(zip(chunk, map(int, lives), strict=True))
        for chunk in _chunks(sorted(image.parts.get("dependencies", ()))):
            sets = await self._ask(*(("SMEMBERS", keys.dependencies(one)) for one in chunk))
            image.dependencies.update(
                zip(chunk, (sorted(map(_text, s)) for s in sets), strict=True)
            )
        for chunk in _chunks(sorted(image.dedups)):
            owners = await self._ask(*(("GET", keys.deduplication(one)) for one in chunk))
            lives = await self._ask(*(("PTTL", keys.deduplication(one)) for one in chunk))
            for one, owner, life in zip(chunk, owners, lives, strict=True):
                image.dedups[one] = (_text(owner or b""), int(life))

    async def read_relatives(self) -> None:
        children = {child for each in self._image.dependencies.values() for child in each}
        parents = {job.parent_key for job in self._image.jobs.values() if job.parent_key}
        for chunk in _chunks(sorted(children)):
            await self._read_children(chunk)
        for chunk in _chunks(sorted(parents)):
            await self._read_parents(chunk)

    async def _read_children(self, keys: Sequence[str]) -> None:
        names = ("name", "parentKey", FURTHER_PARENTS)
        fields = await self._ask(*(("HMGET", key, *names) for key in keys))
        ends = await self._ask(*(("ZSCORE", *_completed_of(key)) for key in keys))
        for key, row, end in zip(keys, fields, ends, strict=True):
            relative = self._image.relatives.setdefault(key, RelativeImage())
            name, parent_key, further = row or (None, None, None)
            relative.exists = name is not None
            relative.parent_keys = _read_parent_keys(parent_key, further)
            relative.is_completed = end is not None

    async def _read_parents(self, keys: Sequence[str]) -> None:
        exist = await self._ask(*(("EXISTS", key) for key in keys))
        children = await self._ask(*(("SMEMBERS", f"{key}:dependencies") for key in keys))
        for key, exists, waits_for in zip(keys, exist, children, strict=True):
            relative = self._image.relatives.setdefault(key, RelativeImage())
            relative.exists = bool(exists)
            relative.waits_for = frozenset(map(_text, waits_for or ()))

    async def _pages(
        self, command: str, key: str, *, with_scores: bool = False
    ) -> AsyncIterator[list[Any]]:
        """Reads a list or sorted set from its end, where nothing is added while we read."""
        start = -_CHUNK
        while True:
            more = ("WITHSCORES",) if with_scores else ()
            [page] = await self._ask((command, key, start, start + _CHUNK - 1, *more))
            if page and with_scores:
                page = list(zip(page[::2], page[1::2], strict=True))
            if page:
                yield page
            if not page or len(page) < _CHUNK:
                return
            start -= _CHUNK

    async def _ask(self, *commands: tuple[Arg, ...]) -> list[Any]:
        """Sends commands in one round trip; one on a key of another type gives None."""
        calls: list[Call[Any]] = [Call(None, (), command, _as_is) for command in commands]
        replies = await self._sender.send_many(calls, return_exceptions=True)
        for reply in replies:
            if isinstance(reply, Exception) and not isinstance(reply, ResponseError):
                raise reply
        return [None if isinstance(reply, ResponseError) else reply for reply in replies]


def _to_job(row: Sequence[bytes | None]) -> JobImage:
    name, data, parent_key, schedule, started = row
    return JobImage(
        is_complete=name is not None and data is not None,
        parent_key=_text(parent_key) if parent_key else None,
        schedule=_text(schedule) if schedule else None,
        was_started=bool(_number(started)),
    )


def _read_parent_keys(parent_key: bytes | None, further: bytes | None) -> frozenset[str]:
    keys = [] if parent_key is None else [_text(parent_key)]
    if further is not None:
        keys += [key for key, _ in decode_json(further, FURTHER_PARENTS)]
    return frozenset(keys)


def _completed_of(job_key: str) -> tuple[str, str]:
    try:
        prefix, queue, job_id = parse_job_key(job_key)
    except ValueError:
        return job_key, ""
    return QueueKeys(prefix, queue).completed, job_id


def _chunks(items: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), _CHUNK):
        yield items[start : start + _CHUNK]


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "replace")


def _number(raw: bytes | None) -> int | None:
    try:
        return None if raw is None else int(raw)
    except ValueError:
        return None


def _as_is(reply: Any) -> Any:
    return reply
