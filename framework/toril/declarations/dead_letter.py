"""Dead letters: where a copy of a job goes that failed for good, and who handles it there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

#: The name of a letter that no job is declared for; it lies in its queue until somebody looks.
UNHANDLED = "dead-letter"

#: What `when` may name, with CEL's types.
WHEN_VARIABLES: Mapping[str, str] = {
    "error": "map<string, dyn>",
    "job": "map<string, dyn>",
    "data": "dyn",
}
#: The members of these variables.
WHEN_MEMBERS: Mapping[str, Mapping[str, None] | None] = {
    "error": {"type": None, "message": None},
    "job": {"id": None, "name": None, "queue": None, "attempts": None},
    "data": None,
}


@dataclass(frozen=True, kw_only=True, slots=True)
class DeadLetterRule:
    """What the YAML says of the copies of failed jobs."""

    queue: str
    #: The job type that handles a letter; UNHANDLED if none does.
    job: str = UNHANDLED
    #: Text with `${{ }}`; None: every failure leaves a letter.
    when: str | None = None
