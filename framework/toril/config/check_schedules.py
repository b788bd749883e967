"""Checks schedules: one clock and one target each, cron, time zones, instants, static data."""

from __future__ import annotations

from zoneinfo import ZoneInfo, available_timezones

from toril.config.check_data import check_static_data
from toril.config.check_foreach import check_foreach
from toril.config.check_unique import warn_where_not_unique
from toril.config.context import Context, is_external
from toril.config.document import Document, Path
from toril.config.entries import Entry
from toril.config.lookups import find_entry
from toril.config.suggestions import suggest
from toril.declarations.cron import parse_cron
from toril.declarations.instants import parse_instant_ms


def check_default_timezone(context: Context) -> None:
    """Checks `defaults.timezone`."""
    path = ("defaults", "timezone")
    if path not in context.top.bad and context.timezone != "UTC":
        _check_timezone(context.top, path, context.timezone)


def check_schedules(context: Context) -> None:
    """Checks every schedule."""
    for schedule in context.entries.schedules.values():
        if not isinstance(schedule.value, dict):
            continue
        _check_choice(schedule, ("cron", "every", "at"))
        _check_choice(schedule, ("job", "flow"))
        _check_clock(schedule, context.timezone)
        check_foreach(context, schedule)
        for kind in ("job", "flow"):
            if schedule.has(kind):
                target = find_entry(context, f"{kind}s", schedule, (kind,), schedule.value[kind])
                if target is not None and schedule.is_sound:
                    check_static_data(context, schedule, ("data",), target)
                if target is not None and kind == "job" and "foreach" not in schedule.value:
                    warn_where_not_unique(context, schedule, ("job",), target)
                if target is not None and kind == "flow":
                    _check_trigger(context, schedule, target)


def _check_trigger(context: Context, schedule: Entry, flow: Entry) -> None:
    """A tick is a job on the queue of one of the steps, where a worker of ours starts the flow."""
    if not flow.is_sound:
        return
    jobs = [context.entries.jobs.get(step["job"]) for step in flow.value["steps"].values()]
    queues = [context.queue_of(job) if job is not None and job.is_sound else None for job in jobs]
    if all(queue is not None and is_external(queue) for queue in queues):
        message = (
            f"flow {flow.name!r} cannot be started by a schedule: "
            "other runtimes work the queues of all its steps"
        )
        hint = "add a step on a queue that Toril serves"
        schedule.add("T218", ("flow",), message, hint=hint)


def _check_choice(schedule: Entry, keys: tuple[str, ...]) -> None:
    given = [key for key in keys if key in schedule.value]
    if not given:
        words = f"{', '.join(map(repr, keys[:-1]))} or {keys[-1]!r}"
        message = f"missing key {words} in schedules.{schedule.name}"
        schedule.add("T105", (), message, at_key=True)
    for key in given[1:]:
        message = f"{key!r} cannot be given beside {given[0]!r}"
        schedule.add("T115", (key,), message, hint="keep one of them", at_key=True)


def _check_clock(schedule: Entry, default_timezone: str) -> None:
    zone = schedule.value.get("timezone", default_timezone)
    if schedule.has("timezone"):
        if not _check_timezone(schedule.document, (*schedule.path, "timezone"), zone):
            zone = "UTC"
        if "every" in schedule.value and not {"start", "end"} & schedule.value.keys():
            message = "'timezone' has no effect: 'every' counts from its first tick"
            schedule.add("T212", ("timezone",), message, hint="remove it", at_key=True)
        elif schedule.has("at") and _names_zone(schedule.value["at"]):
            message = "'timezone' has no effect: 'at' names its own"
            schedule.add("T212", ("timezone",), message, hint="remove it", at_key=True)
    if "flow" in schedule.value and "priority" in schedule.value:
        message = "'priority' has no effect: the steps of a flow have the priorities of their jobs"
        schedule.add("T212", ("priority",), message, hint="remove it", at_key=True)
    if schedule.has("cron"):
        try:
            parse_cron(schedule.value["cron"])
        except ValueError as error:
            schedule.add("T301", ("cron",), str(error))
    instants = _read_instants(schedule, zone if _is_timezone(zone) else "UTC")
    if "start" in instants and "end" in instants and instants["end"] <= instants["start"]:
        message = "'end' is not after 'start', so the schedule would never tick"
        schedule.add("T303", ("end",), message)
    if "at" in schedule.value:
        for key in ("start", "end", "limit"):
            if key in schedule.value:
                message = f"{key!r} has no effect: 'at' is one tick"
                schedule.add("T212", (key,), message, hint="remove it", at_key=True)


def _read_instants(schedule: Entry, zone: str) -> dict[str, int]:
    """Reads the instants that can be read, and reports the others."""
    instants = {}
    for key in ("at", "start", "end"):
        if schedule.has(key):
            try:
                instants[key] = parse_instant_ms(schedule.value[key], zone)
            except ValueError as error:
                schedule.add("T303", (key,), str(error))
    return instants


def _names_zone(instant: str) -> bool:
    try:
        return parse_instant_ms(instant, "UTC") == parse_instant_ms(instant, "Asia/Tokyo")
    except ValueError:
        return False


def _check_timezone(document: Document, path: Path, name: str) -> bool:
    if _is_timezone(name):
        return True
    # Abbreviations are like each other, and mean something else: CEST is not EST.
    places = [zone for zone in available_timezones() if "/" in zone]
    hint = suggest(name, places) or "write an IANA name such as Europe/Zurich"
    document.add("T302", path, f"unknown time zone {name!r}", hint=hint)
    return False


def _is_timezone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True
