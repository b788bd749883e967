"""Makes declarations of checked values: from YAML's shape to the data that the rest works with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from toril.config.layers import (
    backoff_options,
    merge_job_layers,
    merge_layers,
    write_out_dead_letter,
)
from toril.declarations.backoff import Backoff
from toril.declarations.child_failure import ChildFailure
from toril.declarations.dead_letter import UNHANDLED, DeadLetterRule
from toril.declarations.flow import Flow, Step, find_gates
from toril.declarations.instants import parse_instant_ms
from toril.declarations.job_type import JobType, Keep, KeepRule, Retry, Unique
from toril.declarations.pipeline import PluginSettings, RedisSettings
from toril.declarations.queue import KeyLimit, Queue
from toril.declarations.schedule import LATEST_MS, Overlap, Schedule
from toril.declarations.units import parse_duration_ms, parse_rate, parse_size

Values = Mapping[str, Any]


def build_redis(values: Values) -> RedisSettings:
    """Builds where the jobs live."""
    return RedisSettings(**_known(values, "url", "prefix", "announce_workers", "fsync"))


def build_plugin_settings(values: Values, root: Path) -> PluginSettings:
    """Builds which plugins are loaded; paths become absolute."""
    return PluginSettings(
        paths=tuple((root / path).resolve() for path in values.get("paths", ())),
        disable=tuple(values.get("disable", ())),
        config=values.get("config", {}),
    )


def build_queue(
    name: str, values: Values | None, defaults: Values, *, handlers: Mapping[str, list[str]]
) -> Queue:
    """Builds a queue over `defaults.queue`; `handlers` are the jobs of each queue."""
    merged = merge_layers(defaults, values)
    stalled = merged.get("stalled", {})
    settings: dict[str, Any] = _known(merged, "concurrency", "served_by", "max_active")
    if "lock" in merged:
        settings["lock_ms"] = parse_duration_ms(merged["lock"])
    if "every" in stalled:
        settings["stalled_every_ms"] = parse_duration_ms(stalled["every"])
    if "limit" in stalled:
        settings["stalled_limit"] = stalled["limit"]
    if "max_payload" in merged:
        settings["max_payload"] = parse_size(merged["max_payload"])
    if "metrics" in merged:
        settings["metrics_minutes"] = -(-parse_duration_ms(merged["metrics"]) // 60_000)
    if "rate_limit" in merged:
        settings["rate_limit"] = parse_rate(merged["rate_limit"])
    if "limits" in merged:
        settings["limits"] = tuple(build_key_limit(limit) for limit in merged["limits"])
    # One rule stands for the other, their keys do not mix.
    said = (values or {}).get("dead_letter", defaults.get("dead_letter", False))
    if said is not False:
        rule = build_dead_letter(said, handlers)
        # A default is for the others, not for the queue that it leads to.
        settings["dead_letter"] = rule if rule.queue != name else None
    return Queue(name=name, **settings)


def build_key_limit(values: Values) -> KeyLimit:
    """Builds a limit per key."""
    rate = parse_rate(values["rate"]) if "rate" in values else None
    return KeyLimit(key=values["key"], max_active=values.get("max_active"), rate=rate)


def build_dead_letter(said: str | Values, handlers: Mapping[str, list[str]]) -> DeadLetterRule:
    """Builds where copies of failed jobs go; the only job of that queue handles them."""
    rule = write_out_dead_letter(said)
    known = handlers.get(rule["queue"], [])
    job = rule.get("job") or (known[0] if known else UNHANDLED)
    return DeadLetterRule(queue=rule["queue"], job=job, when=rule.get("when"))


def build_job_type(
    name: str,
    values: Values,
    *,
    defaults: Values,
    queue_defaults: Values,
    params: Values,
    data_schema: Mapping[str, Any] | bool | None,
    dead_letter: DeadLetterRule | None,
) -> JobType:
    """Builds a job over its queue's `job` and `defaults.job`."""
    merged = merge_job_layers(defaults, queue_defaults, values)
    return JobType(
        name=name,
        queue=merged["queue"],
        use=merged.get("use"),
        params=params,
        data_schema=data_schema,
        retry=build_retry(merged.get("retry", {})),
        timeout_ms=_duration(merged, "timeout"),
        priority=merged.get("priority", 0),
        run_in=merged.get("run_in"),
        max_memory=parse_size(merged["max_memory"]) if "max_memory" in merged else None,
        recycle_after=merged.get("recycle_after", 1000),
        keep=build_keep(merged.get("keep", {})),
        unique=build_unique(merged["unique"]) if "unique" in merged else None,
        expires_in_ms=_duration(merged, "expires_in"),
        deadline_ms=_duration(merged, "deadline"),
        order=merged.get("order", "fifo"),
        dead_letter=dead_letter,
    )


def build_retry(values: Values) -> Retry:
    """Builds when a failed attempt is followed by another one."""
    backoff = values.get("backoff")
    return Retry(
        attempts=values.get("attempts", 1),
        backoff=None if backoff is None else build_backoff(backoff),
        on=tuple(values.get("on", ())),
        never_on=tuple(values.get("never_on", ())),
    )


def build_backoff(values: Values) -> Backoff:
    """Builds the pause before the next attempt."""
    return Backoff(
        type=values.get("type", "fixed"),
        delay_ms=_duration(values, "delay") or 0,
        max_ms=_duration(values, "max"),
        jitter=float(values.get("jitter", 0)),
        delays_ms=tuple(parse_duration_ms(delay) for delay in values.get("delays", ())),
        options=backoff_options(values),
    )


def build_keep(values: Values) -> Keep:
    """Builds what stays after the end; an outcome that nothing is said of keeps its default."""
    rules = {
        outcome: KeepRule(count=rule.get("count"), age_ms=_duration(rule, "age"))
        for outcome in ("completed", "failed")
        if (rule := values.get(outcome))
    }
    return Keep(**rules)


def build_unique(values: Values) -> Unique:
    """Builds what keeps a second job of a type out."""
    return Unique(
        by=values.get("by"),
        for_ms=_duration(values, "for"),
        on_conflict=values.get("on_conflict", "drop"),
    )


def build_schedule(name: str, values: Values, *, timezone: str) -> Schedule:
    """Builds a schedule; `timezone` is what applies where it names none."""
    zone = values.get("timezone", timezone)
    return Schedule(
        name=name,
        cron=values.get("cron"),
        every_ms=_duration(values, "every"),
        at_ms=parse_instant_ms(values["at"], zone) if "at" in values else None,
        timezone=zone,
        job=values.get("job"),
        flow=values.get("flow"),
        data=values.get("data", {}),
        priority=values.get("priority"),
        foreach=values.get("foreach"),
        job_id=values.get("id"),
        start_ms=parse_instant_ms(values["start"], zone) if "start" in values else None,
        end_ms=parse_instant_ms(values["end"], zone) if "end" in values else None,
        limit=values.get("limit"),
        jitter_ms=_duration(values, "jitter") or 0,
        **_build_catch_up(values.get("catch_up", "last")),
        overlap=Overlap(values.get("overlap", "allow")),
        enabled=values.get("enabled", True),
    )


def _build_catch_up(said: str | Values) -> dict[str, Any]:
    said = {"mode": said} if isinstance(said, str) else said
    latest_ms = _duration(said, "window") or LATEST_MS[said["mode"]]
    return {"latest_ms": latest_ms, "catches_up": said["mode"] == "all"}


def build_flow(
    name: str,
    values: Values,
    *,
    settings: Mapping[str, Values],
    queues: Mapping[str, tuple[str, bool]],
) -> Flow:
    """Builds a flow.

    `settings` are those of each job, over its queue's and the defaults, `queues` each job's queue
    and whether another runtime works it.
    """
    steps = {
        step: Step(
            name=step,
            job=said["job"],
            needs=tuple(said.get("needs", ())),
            data=said.get("data", {}),
            foreach=said.get("foreach"),
            matrix=said.get("matrix"),
            condition=said.get("if"),
            on_failure=ChildFailure(said.get("on_failure") or values.get("on_failure", "fail")),
            retry=_build_retry_over(settings[said["job"]], said) if "retry" in said else None,
            timeout_ms=_duration(said, "timeout"),
            priority=said.get("priority"),
        )
        for step, said in values["steps"].items()
    }
    gates = find_gates(steps, queues)
    steps = {step: replace(said, gate=gates.get(step)) for step, said in steps.items()}
    return Flow(name=name, inputs=values.get("inputs"), steps=steps)


def _build_retry_over(settings: Values, said: Values) -> Retry:
    return build_retry(merge_job_layers(settings, {"retry": said["retry"]})["retry"])


def _duration(values: Values, key: str) -> int | None:
    return parse_duration_ms(values[key]) if key in values else None


def _known(values: Values, *keys: str) -> dict[str, Any]:
    return {key: values[key] for key in keys if key in values}
