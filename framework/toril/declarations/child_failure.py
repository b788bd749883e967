"""What the failure of a child means to the job that waits for it."""

from __future__ import annotations

from enum import StrEnum


class ChildFailure(StrEnum):
    """What happens to a parent when its child has failed for good."""

    #: The parent fails too, at once.
    FAIL = "fail"
    #: The parent goes on once its other children have ended, and can read why this one failed.
    IGNORE = "ignore"
    #: The parent goes on at once, whatever its other children do, and can read why it failed.
    CONTINUE = "continue"
    #: As if there had been no such child.
    REMOVE = "remove"
    #: The parent goes on waiting, until somebody retries the child or removes it.
    WAIT = "wait"


def parse_child_failure(text: str) -> ChildFailure:
    """Reads it by its name; raises ValueError with the names there are."""
    try:
        return ChildFailure(text)
    except ValueError:
        known = ", ".join(ChildFailure)
        raise ValueError(f"expected on_failure to be one of {known}; got {text!r}") from None
