"""Calls on a queue's stream of events."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from toril.runtime.call import Call
from toril.runtime.calls.jobs import Ending
from toril.runtime.keys import QueueKeys
from toril.runtime.states import JobState

#: Before all events.
START = "0-0"


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened in a queue."""

    #: Its place in the stream; reading can go on from there.
    id: str
    #: added, waiting, active, completed, failed, ...
    name: str
    #: What else it says, by BullMQ's names.
    fields: Mapping[str, str]

    @property
    def job_id(self) -> str | None:
        """The job it is about, if it is about one."""
        return self.fields.get("jobId")

    @property
    def ending(self) -> Ending | None:
        """How the job ended, if that is what happened."""
        if self.name == "completed":
            result = self.fields.get("returnvalue", "null")
            return Ending(JobState.COMPLETED, result.encode("utf-8", "surrogateescape"))
        if self.name == "failed":
            return Ending(JobState.FAILED, reason=self.fields.get("failedReason", ""))
        return None


def read_events(
    keys: QueueKeys, after: str, *, block_ms: int, count: int = 1_000
) -> Call[list[Event]]:
    """Reads events after an id; if there are none it waits for the first, up to `block_ms`.

    Keeps one connection busy meanwhile; a sender's own gives up after `REPLY_TIMEOUT_S`.
    """
    args = ("XREAD", "COUNT", count, "BLOCK", max(block_ms, 1), "STREAMS", keys.events, after)

    def parse(reply: Any) -> list[Event]:
        return [_to_event(*entry) for _, entries in reply or () for entry in entries]

    return Call(None, (), args, parse)


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
        name.decode(): value.decode("utf-8", "surrogateescape")
        for name, value in (raw or {}).items()
    }
    return Event(raw_id.decode(), fields.pop("event", ""), fields)
