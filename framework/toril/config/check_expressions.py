"""Checks `${{ }}` in the data of a flow's steps: readable, and naming what is there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from toril.config.context import Context, is_external
from toril.config.document import Document, Part, Path
from toril.config.entries import Entry
from toril.config.suggestions import list_known, suggest
from toril.declarations.expression import (
    FOREACH_VARIABLES,
    MATRIX_VARIABLES,
    STEP_VARIABLES,
    ExpressionProblem,
    Template,
    UnknownMember,
    find_close,
    find_unknown_members,
    parse_template,
)
from toril.errors import TemplateError

#: What can be named of a needed step.
_OF_A_NEED: Mapping[str, None] = {"result": None, "state": None}


def check_misplaced(documents: Iterable[Document]) -> None:
    """Reports expressions where none are evaluated, and what was meant as one."""
    for document in documents:
        for path, part in document.misplaced.items():
            if not document.is_foreign(path):
                message = "an expression cannot be used here"
                hint = "docs/configuration.md lists where they work; write $${{ for the text ${{"
                document.add_inside("T402", path, part, message, hint=hint)
        for path, part in document.undollared.items():
            if not document.is_foreign(path):
                written = part.text[part.offset : part.offset + part.width]
                message = "this is text, no expression: the '$' is missing"
                document.add_inside("T409", path, part, message, hint=f"write ${written}")


def read_template(
    document: Document, path: Path, value: Any, variables: Mapping[str, str] = STEP_VARIABLES
) -> Template | None:
    """Reads the expressions at a path; reports what is wrong with them, and gives None then."""
    try:
        return parse_template(value, variables)
    except TemplateError as error:
        for problem in error.problems:
            _report_problem(document, path, value, problem)
        return None


def report_member(
    document: Document,
    path: Path,
    template: Template,
    unknown: UnknownMember,
    message: str,
    hint: str | None,
) -> None:
    """Reports that an expression names what is not there."""
    reference = unknown.reference
    text = _text_at(template.value, reference.place)
    part = Part(text, reference.offset, reference.length)
    document.add_inside("T407", (*path, *reference.place), part, message, hint=hint)


def check_expressions(
    context: Context, flow: Entry, step: str, said: Mapping[str, Any], steps: Mapping[str, Any]
) -> None:
    """Checks the expressions of one step, if it has any."""
    if not flow.has("steps", step):
        return
    known = {
        "inputs": _known_inputs(context, flow),
        "needs": dict.fromkeys(said.get("needs", []), _OF_A_NEED),
    }
    of_items, item_variables = _known_of_items(said)
    for key in ("foreach", "matrix", "data", "if"):
        path = (*flow.path, "steps", step, key)
        if path not in flow.document.expressions:
            continue
        variables = item_variables if key == "data" else STEP_VARIABLES
        template = read_template(flow.document, path, said[key], variables)
        if template is None:
            continue
        for unknown in find_unknown_members(template, {**known, **of_items}):
            _report_unknown(flow.document, path, template, unknown, steps)
        if key == "data":
            _check_who_fills_in(context, flow, path, template, said["job"])
    _check_condition(context, flow, step, said)
    _check_items(context, flow, step, said)


def _check_condition(context: Context, flow: Entry, step: str, said: Mapping[str, Any]) -> None:
    """A condition is one expression, and the worker that claims the step decides it."""
    condition, keys = said.get("if"), ("steps", step, "if")
    _check_one_expression(flow, keys, condition)
    queue = find_ungated_queue(context, flow, said["job"])
    if condition is not None and queue is not None:
        message = f"'if' cannot be decided: another runtime works queue {queue.name!r}"
        hint = "let a step before it decide, on a queue that Toril serves"
        flow.add("T408", keys, message, hint=hint, at_key=True)


def _check_items(context: Context, flow: Entry, step: str, said: Mapping[str, Any]) -> None:
    """A step's items are lists, and the worker that claims the step adds their jobs."""
    keys = ("steps", step)
    if "foreach" in said and "matrix" in said:
        message = "'matrix' cannot be given beside 'foreach'"
        flow.add("T115", (*keys, "matrix"), message, hint="keep one of the two", at_key=True)
    lists: dict[Path, Any] = {("foreach",): said.get("foreach")}
    if isinstance(said.get("matrix"), Mapping):
        lists.update({("matrix", name): values for name, values in said["matrix"].items()})
    for path, values in lists.items():
        _check_one_expression(flow, (*keys, *path), values)
    queue = find_ungated_queue(context, flow, said["job"])
    for key in ("foreach", "matrix"):
        if key in said and queue is not None:
            message = f"{key!r} cannot be run: another runtime works queue {queue.name!r}"
            hint = "declare the job for a queue that Toril serves"
            flow.add("T408", (*keys, key), message, hint=hint, at_key=True)


def _check_one_expression(flow: Entry, keys: Path, value: Any) -> None:
    """Text has to be one expression and nothing else, so that it keeps the value's type."""
    if not isinstance(value, str) or (*flow.path, *keys) in flow.document.unread:
        return
    text = value.strip()
    if not (text.startswith("${{") and find_close(text, 3) == len(text) - 2):
        message = "expected one expression, got text"
        hint = "write ${{ needs.STEP.result... }} or ${{ inputs... }}"
        flow.add("T401", keys, message, hint=hint)


def _known_of_items(said: Mapping[str, Any]) -> tuple[dict[str, Any], Mapping[str, str]]:
    """Gives what a step's data may name of its items, and the variables with their types."""
    if isinstance(said.get("matrix"), Mapping):
        return {"matrix": dict.fromkeys(said["matrix"])}, MATRIX_VARIABLES
    if "foreach" in said:
        return {"item": None}, FOREACH_VARIABLES
    return {}, STEP_VARIABLES


def _check_who_fills_in(
    context: Context, flow: Entry, path: Path, template: Template, job_name: str
) -> None:
    """Results of other steps are filled in by the worker that claims the job."""
    queue = find_ungated_queue(context, flow, job_name)
    if queue is None:
        return
    for reference in template.references:
        if reference.names[0] == "needs":
            part = Part(
                _text_at(template.value, reference.place), reference.offset, reference.length
            )
            message = f"results cannot be filled in: another runtime works queue {queue.name!r}"
            hint = "let it read the results of the needed steps itself"
            flow.document.add_inside("T408", (*path, *reference.place), part, message, hint=hint)


def external_queue_of(context: Context, job_name: str) -> Entry | None:
    """Gives the queue of a step's job if another runtime works it."""
    job = context.entries.jobs.get(job_name)
    queue = context.queue_of(job) if job is not None and job.is_sound else None
    return queue if queue is not None and is_external(queue) else None


def find_ungated_queue(context: Context, flow: Entry, job_name: str) -> Entry | None:
    """Gives the queue of a step's job if another runtime works it, and Toril none of the flow's.

    Where Toril works any, a job there stands before the step's, and does what that cannot.
    """
    queue = external_queue_of(context, job_name)
    if queue is None:
        return None
    if flow.name not in context.gated_flows:
        context.gated_flows[flow.name] = _is_partly_ours(context, flow)
    return None if context.gated_flows[flow.name] else queue


def _is_partly_ours(context: Context, flow: Entry) -> bool:
    for step in flow.value["steps"].values():
        job = context.entries.jobs.get(step.get("job", "")) if isinstance(step, dict) else None
        home = context.queue_of(job) if job is not None and job.is_sound else None
        if home is not None and not is_external(home):
            return True
    return False


def _known_inputs(context: Context, flow: Entry) -> dict[str, None] | None:
    """Gives the inputs that the flow declares; None if it leaves them open."""
    schema = context.flow_inputs.get(flow.name)
    if not isinstance(schema, Mapping) or "properties" not in schema:
        return {} if isinstance(schema, Mapping) and _is_closed(schema) else None
    return dict.fromkeys(schema["properties"])


def _is_closed(schema: Mapping[str, Any]) -> bool:
    return schema.get("additionalProperties") is False and "patternProperties" not in schema


def _report_problem(document: Document, path: Path, data: Any, problem: ExpressionProblem) -> None:
    where = (*path, *problem.place)
    if problem.in_key:
        document.add("T401", where, problem.message, at_key=True)
        return
    part = Part(_text_at(data, problem.place), problem.offset, problem.length)
    document.add_inside("T401", where, part, problem.message)


def _report_unknown(
    document: Document,
    path: Path,
    template: Template,
    unknown: UnknownMember,
    steps: Mapping[str, Any],
) -> None:
    depth = unknown.reference.names.index(unknown.name)
    message, hint = _word_unknown(unknown, depth, steps)
    report_member(document, path, template, unknown, message, hint)


def _word_unknown(
    unknown: UnknownMember, depth: int, steps: Mapping[str, Any]
) -> tuple[str, str | None]:
    names, name = unknown.reference.names, unknown.name
    if depth == 2:
        message = f"step {names[1]!r} has no {name!r} here, only 'result' and 'state'"
        return message, f"write needs.{names[1]}.result"
    close = suggest(name, unknown.known)
    if names[0] == "matrix":
        return f"the step's matrix has no {name!r}", close or list_known("list", unknown.known)
    if names[0] == "inputs":
        hint = close or "declare it under the flow's `inputs`, in `properties`"
        return f"the flow has no input {name!r}", hint
    if name in steps:
        return f"step {name!r} is not needed by this step", f"add {name!r} to its `needs`"
    hint = close or list_known("needed step", unknown.known)
    return f"no step {name!r} is needed by this step", hint


def _text_at(value: Any, place: Path) -> str:
    for key in place:
        value = value[key]
    return str(value)
