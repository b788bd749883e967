"""Checks what keeps jobs unique: its expression, and where it would keep nothing out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.config.check_expressions import read_template, report_member
from toril.config.context import Context
from toril.config.document import Path
from toril.config.entries import Entry
from toril.config.suggestions import list_known, suggest
from toril.declarations.expression import DATA_VARIABLES, find_unknown_members


def check_unique(context: Context, job: Entry) -> None:
    """Checks `unique` and `order` of a job as they are after merging."""
    merged = context.merged(job)
    unique = merged.get("unique")
    if unique is not None:
        _check_by(context, job, unique)
        if "for" in unique and unique.get("on_conflict") == "keep_last":
            document, path = context.origin(job, "unique", "for")
            message = "'for' has no effect with keep_last: jobs are kept out until one has finished"
            document.add("T212", path, message, hint="remove it", at_key=True)
    if merged.get("order") == "lifo" and merged.get("priority", 0):
        document, path = context.origin(job, "order")
        message = f"'lifo' has no effect: jobs {job.name!r} have a priority, and go by that"
        hint = "remove it, or the priority"
        document.add("T212", path, message, hint=hint, at_key=True)


def warn_where_not_unique(context: Context, user: Entry, keys: Path, job: Entry) -> None:
    """Warns of a unique job where it keeps nothing out: as a step, and as a schedule's own job."""
    if job.is_sound and context.merged(job).get("unique") is not None:
        message = f"'unique' of job {job.name!r} has no effect here"
        if user.kind == "flows":
            hint = "BullMQ keeps jobs out that are added by themselves, not steps"
        else:
            hint = "write `overlap: skip` to leave out a tick while the one before it runs"
        user.document.add("T212", (*user.path, *keys), message, hint=hint)


def _check_by(context: Context, job: Entry, unique: Mapping[str, Any]) -> None:
    document, path = context.origin(job, "unique", "by")
    if "by" not in unique or any(
        path[:length] in document.unread for length in range(len(path) + 1)
    ):
        return
    template = read_template(document, path, unique["by"], DATA_VARIABLES)
    if template is None:
        return
    if not template.references:
        message = f"all jobs {job.name!r} would be the same: 'by' names nothing of their data"
        hint = "write an expression such as ${{ data.user_id }}"
        document.add("T212", path, message, hint=hint)
    known = _known_members(context.data_schemas.get(job.name))
    if known is None:
        return
    for unknown in find_unknown_members(template, {"data": known}):
        message = f"the data of job {job.name!r} has no {unknown.name!r}, by its data_schema"
        hint = suggest(unknown.name, known) or list_known("member", known)
        report_member(document, path, template, unknown, message, hint)


def _known_members(schema: Any) -> dict[str, None] | None:
    """Gives the members that the data may have; None if the schema leaves them open."""
    if not isinstance(schema, Mapping) or "properties" not in schema:
        return None
    if schema.get("additionalProperties", True) is not False or "patternProperties" in schema:
        return None
    return dict.fromkeys(schema["properties"])
