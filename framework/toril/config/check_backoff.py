"""Checks backoffs: is the type known, has it what it needs, does a Node worker compute the same."""

from __future__ import annotations

from typing import Any

from toril.config.context import Context
from toril.config.entries import Entry
from toril.config.suggestions import list_known, suggest
from toril.declarations.backoff import BUILTIN_BACKOFFS, NODE_BACKOFFS


def check_backoff(context: Context, job: Entry, *, external: bool) -> None:
    """Checks a job's backoff as it is after merging; problems point at where it is said."""
    retry = context.merged(job).get("retry", {})
    _warn_of_single_attempt(job, retry.get("attempts", 1))
    backoff = retry.get("backoff")
    if backoff is None:
        return
    type_ = backoff.get("type", "fixed")
    if not _is_known(context, job, type_):
        return
    _check_needs(context, job, type_, backoff)
    _warn_of_unused(context, job, type_, backoff)
    if external:
        _warn_of_python_only(context, job, type_, backoff)


def _warn_of_single_attempt(job: Entry, attempts: int) -> None:
    """Where nothing is retried, what the job itself says of retries is for nothing."""
    said = job.value.get("retry")
    if attempts > 1 or not isinstance(said, dict):
        return
    for key in ("backoff", "on", "never_on"):
        if key in said:
            message = f"{key!r} has no effect: job {job.name!r} has 1 attempt"
            hint = "say how many `attempts` there are, the first one included"
            job.add("T212", ("retry", key), message, hint=hint, at_key=True)


def _warn_of_unused(context: Context, job: Entry, type_: str, backoff: dict[str, Any]) -> None:
    """`delays` is for type `list`, which has no use for a `delay` that is said beside it."""
    if type_ not in BUILTIN_BACKOFFS:
        return
    key = "delay" if type_ == "list" else "delays"
    if key not in backoff or (type_ == "list" and "delays" not in backoff):
        return
    document, path = context.origin(job, "retry", "backoff", key)
    _, type_path = context.origin(job, "retry", "backoff", "type")
    if type_ != "list" or path[:-1] == type_path[:-1]:
        message = f"{key!r} has no effect: the backoff type is {type_!r}"
        hint = "remove it" if type_ == "list" else "write `type: list`, or remove it"
        document.add("T212", path, message, hint=hint, at_key=True)


def _is_known(context: Context, job: Entry, type_: str) -> bool:
    if type_ in BUILTIN_BACKOFFS:
        return True
    if context.plugins is None or type_ in context.plugins.backoffs:
        return context.plugins is not None
    reason = context.plugins.explain_missing("backoff", type_)
    known = context.plugins.backoffs
    hint = suggest(type_, known) or (None if reason else list_known("backoff type", known))
    message = f"no plugin supplies a backoff type {type_!r}" + (f"; {reason}" if reason else "")
    document, path = context.origin(job, "retry", "backoff", "type")
    document.add("T206", path, message, hint=hint)
    return False


def _check_needs(context: Context, job: Entry, type_: str, backoff: dict[str, Any]) -> None:
    if type_ not in BUILTIN_BACKOFFS:
        return
    needed = "delays" if type_ == "list" else "delay"
    if needed in backoff:
        return
    document, path = context.origin(job, "retry", "backoff")
    example = "delays: [1s, 10s, 1m]" if needed == "delays" else "delay: 1s"
    message = f"backoff type {type_!r} needs {needed!r}"
    document.add("T216", path, message, hint=f"add `{example}`", at_key=True)


def _warn_of_python_only(context: Context, job: Entry, type_: str, backoff: dict[str, Any]) -> None:
    place = f"another runtime works queue {job.value['queue']!r}"
    if type_ not in NODE_BACKOFFS:
        document, path = context.origin(job, "retry", "backoff", "type")
        message = f"backoff type {type_!r} is computed by Toril's workers only, and {place}"
        document.add("T211", path, message, hint="use fixed or exponential")
    elif "max" in backoff:
        document, path = context.origin(job, "retry", "backoff", "max")
        message = f"'max' is heeded by Toril's workers only, and {place}"
        document.add("T211", path, message, hint="remove it", at_key=True)
