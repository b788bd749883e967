"""How a run of a job ended, as data; `settle_and_claim` writes it down."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from toril.declarations.job_type import KeepRule


class Completed(msgspec.Struct, frozen=True):
    """Ended well; `result` is JSON."""

    id: str
    result: bytes
    keep: KeepRule
    #: The job's `attempts_started` when it was claimed: refuses the result of an earlier start
    #: under the same token. 0 does not ask.
    fence: int = 0


class Letter(msgspec.Struct, frozen=True):
    """The copy of a job that fails for good, as it is stored in the dead-letter queue."""

    queue: str
    id: str
    name: str
    data: bytes
    opts: Mapping[str, Any]
    priority: int
    #: Where it came from, JSON: the field `t:dl`.
    origin: bytes


class Failed(msgspec.Struct, frozen=True):
    """Ended badly, for good; `reason` is plain text, `stacktrace` a JSON array of strings."""

    id: str
    reason: str
    stacktrace: bytes
    keep: KeepRule
    #: Attempts allowed in all; the event `retries-exhausted` follows when they are used up.
    attempts: int
    fence: int = 0
    #: The class of what the run raised.
    error_type: str = "Exception"
    letter: Letter | None = None


class Retried(msgspec.Struct, frozen=True):
    """An attempt failed and another one follows, at once (`delay_ms` 0) or later."""

    id: str
    delay_ms: int
    reason: str
    stacktrace: bytes
    fence: int = 0


class Postponed(msgspec.Struct, frozen=True):
    """Runs again at `until_ms`; no attempt is spent."""

    id: str
    until_ms: int
    fence: int = 0


class GivenBack(msgspec.Struct, frozen=True):
    """Goes back to the front of the line; no attempt is spent.

    `limit_ms` above 0 also holds the whole queue for so long.
    """

    id: str
    limit_ms: int = 0
    fence: int = 0


class MovedToWaitingChildren(msgspec.Struct, frozen=True):
    """Waits for the children it added while it ran; no attempt is spent.

    When none is pending any more it is ready to run again at once. The second time in a row that
    `has_added` none and none is pending, it is refused: it would run for ever.
    """

    id: str
    fence: int = 0
    has_added: bool = False


Settlement = Completed | Failed | Retried | Postponed | GivenBack | MovedToWaitingChildren
