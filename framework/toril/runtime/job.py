"""A job as data: one to be added, one as stored in Redis, one claimed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import msgspec

from toril.declarations.child_failure import ChildFailure
from toril.errors import InvalidData
from toril.runtime.codec import decode_json, decode_opts


@dataclass(frozen=True, kw_only=True, slots=True)
class ParentLink:
    """The job that waits for this one."""

    id: str
    queue: str
    #: What this job's failure for good means to the parent.
    on_failure: ChildFailure = ChildFailure.FAIL


#: Of jobs that have none; one for all, so that these are seen to be alike.
NO_FIELDS: Mapping[str, str] = MappingProxyType({})


class NewJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job to be added.

    A struct: it is made in a twentieth of a frozen dataclass's time.
    """

    queue: str
    id: str
    name: str
    #: JSON.
    data: bytes
    #: BullMQ's options by their public names: attempts, backoff, removeOnComplete, ...
    opts: Mapping[str, Any] = NO_FIELDS
    timestamp_ms: int
    delay_ms: int = 0
    #: 1 is the most urgent, 0 is none.
    priority: int = 0
    #: Runs before those that wait already.
    lifo: bool = False
    parent: ParentLink | None = None
    #: Others that wait for it, too; BullMQ knows the first one only.
    further_parents: tuple[ParentLink, ...] = ()
    #: A parent: it waits for jobs of the same list that name it.
    waits_for_children: bool = False
    #: Waits, whatever it waits for, until all jobs of its run are stored and `release_run` comes.
    is_held: bool = False
    #: Toril's own fields, see own_fields.py.
    own: Mapping[str, str] = NO_FIELDS
    #: The schedule it is a tick of, beside the ticks that the schedule itself adds.
    schedule: str | None = None
    #: The id was made for this job, so nobody else can have used it.
    is_id_new: bool = False


#: In the place of data that nobody asked for yet.
_UNREAD: Any = object()


class StoredJob(msgspec.Struct, eq=False):
    """A job read from Redis; what is not asked for is never decoded.

    A struct: a busy worker makes tens of thousands a second.
    """

    queue: str
    id: str
    #: The hash as it is.
    fields: Mapping[bytes, bytes]
    _data: Any = _UNREAD
    _opts: dict[str, Any] | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(queue={self.queue!r}, id={self.id!r}, name={self.name!r})"

    @property
    def name(self) -> str:
        return self._text(b"name") or ""

    @property
    def data_json(self) -> bytes:
        return self.fields.get(b"data", b"{}")

    @property
    def data(self) -> Any:
        """The input; raises InvalidData if a peer stored something that is not JSON."""
        if self._data is _UNREAD:
            self._data = decode_json(self.data_json)
        return self._data

    @property
    def opts_json(self) -> bytes:
        """As they are stored."""
        return self.fields.get(b"opts", b"{}")

    @property
    def opts(self) -> dict[str, Any]:
        """BullMQ's options by their public names; raises InvalidData if they are not JSON."""
        if self._opts is None:
            self._opts = decode_opts(self.opts_json)
        return self._opts

    @property
    def timestamp_ms(self) -> int:
        """When it was added."""
        return self._integer(b"timestamp") or 0

    @property
    def delay_ms(self) -> int:
        return self._integer(b"delay") or 0

    @property
    def priority(self) -> int:
        return self._integer(b"priority") or 0

    @property
    def processed_on_ms(self) -> int | None:
        """When it was last claimed."""
        return self._integer(b"processedOn")

    @property
    def processed_by(self) -> str | None:
        """The name of the worker that claimed it last."""
        return self._text(b"pb")

    @property
    def finished_on_ms(self) -> int | None:
        return self._integer(b"finishedOn")

    @property
    def attempts_made(self) -> int:
        """Attempts that ended, well or badly."""
        return self._integer(b"atm") or 0

    @property
    def attempts_started(self) -> int:
        """Starts so far, lost and postponed ones included; it only grows."""
        return self._integer(b"ats") or 0

    @property
    def stalled_count(self) -> int:
        return self._integer(b"stc") or 0

    @property
    def returnvalue_json(self) -> bytes | None:
        return self.fields.get(b"returnvalue")

    @property
    def returnvalue(self) -> Any:
        """The result, None before the end."""
        return self._tolerant(b"returnvalue", None)

    @property
    def failed_reason(self) -> str | None:
        """The last failed attempt's error; it stays when a later attempt succeeds."""
        return self._text(b"failedReason")

    @property
    def stacktrace(self) -> list[str]:
        """One text per failed attempt, newest last."""
        lines = self._tolerant(b"stacktrace", [])
        return [str(line) for line in lines] if isinstance(lines, list) else []

    @property
    def progress(self) -> Any:
        return self._tolerant(b"progress", 0)

    @property
    def parent_key(self) -> str | None:
        """The key of the job that waits for this one."""
        return self._text(b"parentKey")

    @property
    def repeat_key(self) -> str | None:
        """The id of the job scheduler it is an iteration of."""
        return self._text(b"rjk")

    @property
    def deduplication_id(self) -> str | None:
        """The deduplication id that it holds, or held when it was added."""
        return self._text(b"deid")

    @property
    def deferred_failure(self) -> str | None:
        """Set: the worker that claims it must fail it with this text, without running it."""
        return self._text(b"defa")

    @property
    def own(self) -> dict[str, str]:
        """Toril's own fields, see own_fields.py."""
        return {
            name.decode(): value.decode("utf-8", "replace")
            for name, value in self.fields.items()
            if name.startswith(b"t:")
        }

    def _text(self, name: bytes) -> str | None:
        raw = self.fields.get(name)
        return None if raw is None else raw.decode("utf-8", "replace")

    def _integer(self, name: bytes) -> int | None:
        raw = self.fields.get(name)
        if raw is None:
            return None
        try:
            return int(raw)
        except ValueError:
            return _read_fraction(raw)

    def _tolerant(self, name: bytes, default: Any) -> Any:
        raw = self.fields.get(name)
        try:
            return default if raw is None else decode_json(raw)
        except InvalidData:
            return default


class ClaimedJob(StoredJob, kw_only=True, eq=False):
    """A job that this worker owns now."""

    #: Results of completed children as JSON, by the child's key.
    children: Mapping[bytes, bytes] = {}

    def note(self, name: str, value: bytes | None) -> None:
        """Notes that a field was stored, or with None deleted, since the claim."""
        fields = {key: kept for key, kept in self.fields.items() if key != name.encode()}
        self.fields = fields if value is None else {**fields, name.encode(): value}

    @property
    def children_results(self) -> dict[str, Any]:
        """Results of completed children by the child's key."""
        return {
            key.decode("utf-8", "replace"): decode_json(value, f"result of {key!r}")
            for key, value in self.children.items()
        }


def _read_fraction(raw: bytes) -> int | None:
    """Reads a number that a peer stored with a fraction, which counts for nothing."""
    try:
        return int(float(raw)) if b"." in raw else None
    except (ValueError, OverflowError):
        return None
