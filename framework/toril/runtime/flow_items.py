"""The items of steps with `foreach` or `matrix`: what they are, a job for each, their results.

Such a step's job has no processor: when its turn comes a worker adds a child for each item, called
RUN.STEP.NUMBER, and it completes with the list of their results. Its data says how many there are.
A gate is the same with one item: it stands before a job that another runtime runs, and completes
with its result.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import product
from math import prod
from typing import Any

from toril.declarations.child_failure import ChildFailure
from toril.declarations.expression import (
    FOREACH_VARIABLES,
    MATRIX_VARIABLES,
    STEP_VARIABLES,
    parse_template,
)
from toril.declarations.flow import Step
from toril.declarations.pipeline import Pipeline
from toril.errors import ExpressionError
from toril.runtime.codec import decode_json, encode_json
from toril.runtime.flows import CheckData, find_step, read_context
from toril.runtime.job import ClaimedJob, NewJob, ParentLink, StoredJob
from toril.runtime.job_options import build_opts
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import FAN_OUT, FLOW, ITEM, RUN, STEP, STEP_DATA

#: Their results have to fit into one.
MOST_ITEMS = 10_000

_FAN_OUT = FAN_OUT.encode()


def is_fan_out(job: StoredJob) -> bool:
    """Tells whether a job is a step that adds jobs, rather than one of these."""
    return _FAN_OUT in job.fields


def build_items(
    pipeline: Pipeline, job: ClaimedJob, *, now_ms: int, check_data: CheckData | None = None
) -> Iterator[NewJob]:
    """Makes the job of each item of a claimed step, in order.

    Raises UnknownName if the step is not declared any more, ExpressionError if there are no items
    to be had or data of one cannot be made, AddError for data that its job may not have.
    """
    step, context = read_context(pipeline, job, job.own[STEP_DATA])
    items = _list_items(step, context) if step.is_fan_out else [None]
    job_type = step.refine(pipeline.jobs[step.job])
    name, variables = _find_variables(step)
    template = parse_template(step.data, variables)
    opts = build_opts(job_type, pipeline.queues[job_type.queue])
    own = {key: job.own[key] for key in (FLOW, RUN, STEP)}
    parent = ParentLink(id=job.id, queue=job.queue, on_failure=_failure_of_item(step))
    for number, item in enumerate(items):
        data = template.render({**context, name: item} if name else context)
        if check_data is not None:
            check_data(step.job, data)
        yield NewJob(
            queue=job_type.queue,
            id=item_job_id(job.id, number),
            name=step.job,
            data=encode_json(data, f"data of item {number} of step {step.name!r}"),
            opts=opts,
            timestamp_ms=now_ms,
            priority=job_type.priority,
            parent=parent,
            own={**own, ITEM: str(number)},
            is_id_new=True,
        )


def item_job_id(step_id: str, number: int) -> str:
    """Gives the id of an item's job."""
    return f"{step_id}.{number}"


def describe_items(count: int) -> bytes:
    """Gives the data of a step's job whose items have all been added."""
    return encode_json({"items": count}, "items")


def read_item_count(data_json: bytes) -> int:
    """Reads how many items there are from what `describe_items` gave."""
    count: int = decode_json(data_json, "items")["items"]
    return count


def collect_results(pipeline: Pipeline, job: ClaimedJob) -> Any:
    """Gives the results of all items that ended, in order; of a gate the one result.

    One without a result failed, and does not count: null, or left out with `on_failure: remove`.
    Raises UnknownName if the step is not declared any more.
    """
    step = find_step(pipeline, job)
    leaves_out = step.is_fan_out and step.on_failure is ChildFailure.REMOVE
    results = []
    for number in range(read_item_count(job.data_json)):
        result = job.children.get(_item_key(pipeline, step, job, number))
        if result is not None:
            results.append(decode_json(result, f"result of item {number}"))
        elif not leaves_out:
            results.append(None)
    return results if step.is_fan_out else results[0]


def _find_variables(step: Step) -> tuple[str | None, Mapping[str, str]]:
    if step.matrix is not None:
        return "matrix", MATRIX_VARIABLES
    return ("item", FOREACH_VARIABLES) if step.is_fan_out else (None, STEP_VARIABLES)


def _item_key(pipeline: Pipeline, step: Step, job: StoredJob, number: int) -> bytes:
    """Gives the key of an item's job, by which its step's job knows it."""
    keys = QueueKeys(pipeline.redis.prefix, pipeline.jobs[step.job].queue)
    return keys.job(item_job_id(job.id, number)).encode()


def _list_items(step: Step, context: Mapping[str, Any]) -> list[Any]:
    if step.matrix is None:
        items = _demand_list(step, "foreach", parse_template(step.foreach).render(context))
        _check_count(step, len(items))
        return items
    lists = parse_template(step.matrix).render(context)
    columns = [_demand_list(step, f"matrix.{name}", values) for name, values in lists.items()]
    _check_count(step, prod(len(column) for column in columns))
    return [dict(zip(lists, row, strict=True)) for row in product(*columns)]


def _demand_list(step: Step, key: str, value: Any) -> list[Any]:
    if isinstance(value, list):
        return value
    raise ExpressionError(f"{key!r} of step {step.name!r} gave {type(value).__name__}, not a list")


def _check_count(step: Step, count: int) -> None:
    if count > MOST_ITEMS:
        raise ExpressionError(
            f"step {step.name!r} has {count} items, expected at most {MOST_ITEMS}; "
            "let an item stand for many"
        )


def _failure_of_item(step: Step) -> ChildFailure:
    """A step goes on only when all its items have ended: it could not complete before.

    The one job behind a gate is the step: its failure is the gate's own.
    """
    if not step.is_fan_out:
        return ChildFailure.FAIL
    if step.on_failure is ChildFailure.CONTINUE:
        return ChildFailure.IGNORE
    return step.on_failure
