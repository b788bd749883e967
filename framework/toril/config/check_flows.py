"""Checks flows: steps need what is there, in no circle; their expressions and data."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.config.check_backoff import check_backoff
from toril.config.check_data import check_static_data
from toril.config.check_data_schema import check_inline_schema
from toril.config.check_expressions import (
    check_expressions,
    external_queue_of,
    find_ungated_queue,
)
from toril.config.check_jobs import warn_of_run_settings
from toril.config.check_unique import warn_where_not_unique
from toril.config.context import Context
from toril.config.entries import Entry
from toril.config.lookups import find_entry
from toril.config.suggestions import list_known, suggest

Needs = dict[str, list[str]]


def check_flows(context: Context) -> None:
    """Checks every flow."""
    for flow in context.entries.flows.values():
        if flow.has("steps"):
            _check_steps(context, flow, _steps(flow))
        elif isinstance(flow.value, dict) and isinstance(flow.value.get("steps"), dict):
            _check_jobs(context, flow, _steps(flow))


def check_inputs(context: Context) -> None:
    """Checks the schemas of all flows' inputs, and keeps those that can be used."""
    for flow in context.entries.flows.values():
        if flow.has("inputs"):
            inputs = flow.value["inputs"]
            if check_inline_schema(flow.document, (*flow.path, "inputs"), inputs):
                context.flow_inputs[flow.name] = inputs


def _steps(flow: Entry) -> dict[str, Mapping[str, Any]]:
    return {n: step for n, step in flow.value["steps"].items() if isinstance(step, dict)}


def _check_steps(context: Context, flow: Entry, steps: dict[str, Mapping[str, Any]]) -> None:
    _check_jobs(context, flow, steps)
    needs: Needs = {name: list(step.get("needs", [])) for name, step in steps.items()}
    known = [_check_known(flow, name, needs) for name in needs]
    for name, step in steps.items():
        check_expressions(context, flow, name, step, steps)
    dependents = _map_dependents(needs)
    _check_who_skips(context, flow, steps, dependents)
    if all(known) and not _report_cycle(flow, needs):
        _check_shared(context, flow, steps, dependents)


def _map_dependents(needs: Needs) -> Needs:
    """Gives the steps that need each step."""
    dependents: Needs = {name: [] for name in needs}
    for name, needed in needs.items():
        for one in needed:
            if one in dependents:
                dependents[one].append(name)
    return dependents


def _check_jobs(context: Context, flow: Entry, steps: dict[str, Mapping[str, Any]]) -> None:
    for name, step in steps.items():
        keys = ("steps", name, "job")
        if not flow.has(*keys):
            continue
        job = find_entry(context, "jobs", flow, keys, step["job"])
        if job is not None and flow.has("steps", name):
            check_static_data(context, flow, ("steps", name, "data"), job)
            warn_where_not_unique(context, flow, keys, job)
            if job.is_sound:
                _check_changes(context, flow, name, job)


def _check_changes(context: Context, flow: Entry, step: str, job: Entry) -> None:
    """Checks what a step says otherwise than its job."""
    path = (*flow.path, "steps", step)
    value = {**flow.value["steps"][step], "queue": job.value["queue"]}
    changed = Entry(
        kind="jobs", name=job.name, document=flow.document, value=value, at=path, over=job
    )
    queue = external_queue_of(context, job.name)
    if queue is not None:
        warn_of_run_settings(changed, queue)
    if "retry" in value:
        check_backoff(context, changed, external=queue is not None)


def _check_who_skips(
    context: Context, flow: Entry, steps: dict[str, Mapping[str, Any]], dependents: Needs
) -> None:
    """What needs a skipped step is skipped too, which another runtime would not do."""
    skipped_with: dict[str, str] = {}
    for first, step in steps.items():
        pending = [first] if "if" in step else []
        while pending:
            for name in dependents[pending.pop()]:
                if name not in skipped_with:
                    skipped_with[name] = first
                    pending.append(name)
    for name, first in skipped_with.items():
        queue = find_ungated_queue(context, flow, steps[name].get("job", ""))
        if queue is not None:
            message = (
                f"step {name!r} would run though {first!r} is skipped: "
                f"another runtime works queue {queue.name!r}"
            )
            hint = f"let {name!r} not need {first!r}, or move the 'if' to steps after it"
            flow.add("T408", ("steps", name, "needs"), message, hint=hint, at_key=True)


def _check_known(flow: Entry, name: str, needs: Needs) -> bool:
    unknown = [(i, needed) for i, needed in enumerate(needs[name]) if needed not in needs]
    for index, needed in unknown:
        hint = suggest(needed, needs) or list_known("step", needs)
        message = f"no step {needed!r} in flow {flow.name!r}"
        flow.add("T201", ("steps", name, "needs", index), message, hint=hint)
    return not unknown


def _report_cycle(flow: Entry, needs: Needs) -> bool:
    cycle = _find_cycle(needs)
    if not cycle:
        return False
    if len(cycle) == 1:
        message = f"step {cycle[0]!r} needs itself"
    else:
        message = f"steps need each other in a circle: {' needs '.join([*cycle, cycle[0]])}"
    index = needs[cycle[0]].index(cycle[1 % len(cycle)])
    hint = "remove one of these needs"
    flow.add("T203", ("steps", cycle[0], "needs", index), message, hint=hint)
    return True


def _find_cycle(needs: Needs) -> list[str]:
    """Gives the steps of a circle, each followed by one it needs; empty if there is none."""
    done: set[str] = set()
    for start in needs:
        path: dict[str, None] = {}
        todo = [(start, iter(needs[start]))] if start not in done else []
        while todo:
            name, rest = todo[-1]
            path[name] = None
            needed = next((n for n in rest if n not in done), None)
            if needed is None:
                done.add(name)
                todo.pop()
                del path[name]
            elif needed in path:
                return list(path)[list(path).index(needed) :]
            else:
                todo.append((needed, iter(needs[needed])))
    return []


def _check_shared(
    context: Context, flow: Entry, steps: dict[str, Mapping[str, Any]], dependents: Needs
) -> None:
    """BullMQ knows one parent of a job: another runtime would tell the first dependent only."""
    for name, them in dependents.items():
        queue = find_ungated_queue(context, flow, steps[name].get("job", ""))
        if queue is not None and len(them) > 1:
            message = (
                f"step {name!r} is needed by {_list(them)}, "
                f"but another runtime works its queue {queue.name!r}"
            )
            hint = f"let one step that Toril runs need {name!r}, and the others that one"
            flow.add("T204", ("steps", name), message, hint=hint, at_key=True)


def _list(names: list[str]) -> str:
    """Writes names as `'a', 'b' and 'c'`, the first ones of many."""
    shown = [repr(name) for name in names[:3]]
    if len(names) > 3:
        return f"{', '.join(shown)}, ..."
    return f"{', '.join(shown[:-1])} and {shown[-1]}"
