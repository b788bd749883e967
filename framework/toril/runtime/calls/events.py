"""Calls on a queue's stream of events."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from toril.errors import InvalidData
from toril.runtime.call import Call
from toril.runtime.calls.jobs import Ending
from toril.runtime.codec import decode_json
from toril.runtime.keys import QueueKeys
from toril.runtime.states import JobState

#: Before all events.
START = "0-0"
#: An instant or a count, small enough for a datetime.
_INTEGER = re.compile(r"[0-9]{1,14}")
_JSON_FIELDS = (b"returnvalue", b"data")


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a queue."""

    #: Its place in the stream; reading can go on from there.
    id: str
    #: added, waiting, delayed, waiting-children, active, progress, completed, failed,
    #: retries-exhausted, stalled, removed, duplicated or deduplicated of a job; drained, cleaned,
    #: paused or resumed of the queue; and what others tell.
    name: str
    #: What else it says, by BullMQ's names.
    fields: Mapping[str, str]

    @property
    def job_id(self) -> str | None:
        """The job it is about, if it is about one."""
        return self.fields.get("jobId")

    @property
    def at(self) -> datetime:
        """When it happened, by the server's clock."""
        return datetime.fromtimestamp(int(self.id.partition("-")[0]) / 1000, UTC)

    @property
    def job_type(self) -> str | None:
        """What kind of job it is (added)."""
        return self.fields.get("name")

    @property
    def previous(self) -> str | None:
        """The state the job was in before, by BullMQ's name (most of them)."""
        return self.fields.get("prev")

    @property
    def result(self) -> Any:
        """What the job gave (completed); None if a peer told no JSON."""
        return self._decode("returnvalue")

    @property
    def reason(self) -> str | None:
        """Why the job failed (failed)."""
        return self.fields.get("failedReason")

    @property
    def progress(self) -> Any:
        """How far the job is (progress); None if a peer told no JSON."""
        return self._decode("data")

    @property
    def due_at(self) -> datetime | None:
        """When the job is due (delayed)."""
        due_ms = self._integer("delay")
        return None if due_ms is None else datetime.fromtimestamp(due_ms / 1000, UTC)

    @property
    def attempts_made(self) -> int | None:
        """How many attempts failed (retries-exhausted)."""
        return self._integer("attemptsMade")

    @property
    def count(self) -> int | None:
        """How many jobs were removed (cleaned)."""
        return self._integer("count")

    @property
    def deduplication_id(self) -> str | None:
        """The id that kept a job out (deduplicated)."""
        return self.fields.get("deduplicationId")

    @property
    def deduplicated_job_id(self) -> str | None:
        """The job that was kept out, or replaced (deduplicated)."""
        return self.fields.get("deduplicatedJobId")

    @property
    def ending(self) -> Ending | None:
        """How the job ended, if that is what happened."""
        if self.name == "completed":
            result = self.fields.get("returnvalue", "null")
            return Ending(JobState.COMPLETED, result.encode("utf-8", "surrogateescape"))
        if self.name == "failed":
            return Ending(JobState.FAILED, reason=self.fields.get("failedReason", ""))
        return None

    def _decode(self, name: str) -> Any:
        try:
            raw = self.fields.get(name, "null").encode("utf-8", "surrogateescape")
            return decode_json(raw, name)
        except InvalidData:
            return None

    def _integer(self, name: str) -> int | None:
        text = self.fields.get(name, "")
        return int(text) if _INTEGER.fullmatch(text) else None


def read_events(
    keys: QueueKeys, after: str, *, block_ms: int, count: int = 1_000
) -> Call[list[Event]]:
    """Reads events after an id; if there are none it waits for the first, up to `block_ms`.

    It has a connection of its own meanwhile, which gives up after `REPLY_TIMEOUT_S`.
    """
    args = ("XREAD", "COUNT", count, "BLOCK", max(block_ms, 1), "STREAMS", keys.events, after)

    def parse(reply: Any) -> list[Event]:
        return [_to_event(*entry) for _, entries in reply or () for entry in entries]

    return Call(None, (), args, parse, waits=True)


def read_last_event_id(keys: QueueKeys) -> Call[str]:
    """Gives the id of the newest event, or START."""

    def parse(reply: Any) -> str:
        return reply[0][0].decode() if reply else START

    return Call(None, (), ("XREVRANGE", keys.events, "+", "-", "COUNT", 1), parse)


def find_ending(keys: QueueKeys, job_id: str) -> Call[Ending | None]:
    """Looks in the newest events for the end of a job that was not kept."""

    def parse(reply: list[bytes] | None) -> Ending | None:
        if not reply:
            return None
        if reply[0] == b"completed":
            return Ending(JobState.COMPLETED, reply[1])
        return Ending(JobState.FAILED, reason=reply[1].decode("utf-8", "replace"))

    return Call("find_ending", (keys.events,), (job_id,), parse)


def _to_event(raw_id: bytes, raw: Mapping[bytes, bytes] | None) -> Event:
    fields = {
        # What is read as JSON is not mended: it would be taken for what the job gave.
        name.decode("utf-8", "replace"): value.decode(
            "utf-8", "surrogateescape" if name in _JSON_FIELDS else "replace"
        )
        for name, value in (raw or {}).items()
    }
    return Event(raw_id.decode(), fields.pop("event", ""), fields)
