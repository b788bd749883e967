"""Checks what a tick adds: the source of its items, and the expressions on them."""

from __future__ import annotations

from toril.config.check_expressions import read_template, report_member
from toril.config.context import Context, is_external
from toril.config.entries import Entry
from toril.config.suggestions import list_known, suggest
from toril.declarations.expression import (
    SCHEDULE_VARIABLES,
    Template,
    UnknownMember,
    find_unknown_members,
)
from toril.plugins.manager import PluginManager

_OF_A_SCHEDULE = {"name": None, "tick": None, "tick_ms": None}


def check_foreach(context: Context, schedule: Entry) -> None:
    """Checks `foreach`, `id`, `priority` and the expressions of a schedule."""
    if schedule.has("foreach"):
        _check_source(context, schedule)
    elif "foreach" not in schedule.value:
        _check_without_source(schedule)
    for key in ("data", "id", "priority"):
        _check_expressions(context, schedule, key)
    queue = _queue_of(context, schedule)
    if queue is not None and is_external(queue):
        _check_external(schedule, queue)


def _check_external(schedule: Entry, queue: Entry) -> None:
    """The other runtime's workers add the ticks, one after the other, late or not."""
    if "jitter" in schedule.value:
        message = f"'jitter' has no effect: another runtime works queue {queue.name!r}"
        schedule.add("T212", ("jitter",), message, hint="remove it", at_key=True)
    for key, does_nothing in (("catch_up", "last"), ("overlap", "allow")):
        if schedule.has(key) and schedule.value[key] != does_nothing:
            message = f"{key!r} cannot be kept: another runtime works queue {queue.name!r}"
            hint = "declare the job for a queue that Toril serves"
            schedule.add("T408", (key,), message, hint=hint, at_key=True)


def _check_source(context: Context, schedule: Entry) -> None:
    if "flow" in schedule.value:
        message = "'foreach' cannot be given beside 'flow': it adds a job for each item"
        hint = "name a job"
        schedule.add("T115", ("foreach",), message, hint=hint, at_key=True)
    if schedule.has("overlap") and schedule.value["overlap"] != "allow":
        message = "'overlap' cannot be given beside 'foreach': a tick adds many jobs"
        hint = "keep a second job of an item out by `unique` of the job"
        schedule.add("T115", ("overlap",), message, hint=hint, at_key=True)
    queue = _queue_of(context, schedule)
    if queue is not None and is_external(queue):
        message = f"'foreach' cannot be run: another runtime works queue {queue.name!r}"
        hint = "declare the job for a queue that Toril serves"
        schedule.add("T408", ("foreach",), message, hint=hint, at_key=True)
    if context.plugins is not None:
        _check_known(context.plugins, schedule)


def _check_known(plugins: PluginManager, schedule: Entry) -> None:
    name, known = schedule.value["foreach"], plugins.sources
    if name in known:
        return
    reason = plugins.explain_missing("source", name)
    hint = suggest(name, known) or (None if reason else list_known("source", known))
    message = f"no plugin supplies a source {name!r}" + (f"; {reason}" if reason else "")
    schedule.add("T222", ("foreach",), message, hint=hint)


def _check_without_source(schedule: Entry) -> None:
    if "id" in schedule.value:
        message = "'id' has no effect without 'foreach': a tick's job has an id of its own"
        schedule.add("T212", ("id",), message, hint="remove it", at_key=True)
    if schedule.has("priority") and isinstance(schedule.value["priority"], str):
        message = "expected a priority from 0 to 2097151; an expression needs 'foreach'"
        schedule.add("T103", ("priority",), message)


def _check_expressions(context: Context, schedule: Entry, key: str) -> None:
    document, path = schedule.document, (*schedule.path, key)
    if not schedule.has(key) or path not in document.expressions:
        if key == "priority" and isinstance(schedule.value.get(key), str) and schedule.has(key):
            message = "expected a priority from 0 to 2097151, or an expression, got text"
            schedule.add("T103", (key,), message)
        elif key == "id" and schedule.has(key) and "foreach" in schedule.value:
            _warn_of_one_id(schedule)
        return
    queue = _queue_of(context, schedule)
    if queue is not None and is_external(queue):
        message = f"expressions cannot be filled in: another runtime works queue {queue.name!r}"
        schedule.add("T408", (key,), message, hint="write what it is", at_key=True)
        return
    template = read_template(document, path, schedule.value[key], SCHEDULE_VARIABLES)
    if template is None:
        return
    has_items = "foreach" in schedule.value
    known = {"schedule": _OF_A_SCHEDULE, **({"item": None} if has_items else {})}
    for unknown in find_unknown_members(template, known):
        _report(schedule, key, template, unknown)
    if key == "id" and not template.uses("item"):
        _warn_of_one_id(schedule)


def _warn_of_one_id(schedule: Entry) -> None:
    message = "all items would have one id: 'id' names nothing of the item"
    hint = "write an expression such as ${{ item.id }}"
    schedule.add("T212", ("id",), message, hint=hint)


def _report(schedule: Entry, key: str, template: Template, unknown: UnknownMember) -> None:
    if unknown.name == "item":
        message, hint = "there is no 'item' without 'foreach'", "add foreach: ..., or remove it"
    else:
        message = f"'schedule' has no {unknown.name!r}"
        hint = suggest(unknown.name, unknown.known) or list_known("member", unknown.known)
    report_member(schedule.document, (*schedule.path, key), template, unknown, message, hint)


def _queue_of(context: Context, schedule: Entry) -> Entry | None:
    job = context.entries.jobs.get(schedule.value.get("job", ""))
    return context.queue_of(job) if job is not None and job.is_sound else None
