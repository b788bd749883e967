"""Keys as other systems call them: BullMQ, Celery, docker-compose, GitHub Actions; and Toril's."""

from __future__ import annotations

from collections.abc import Collection

#: Folded word -> Toril's words for it, of which the first that fits the map is meant. A word with a
#: dot names a key one level below.
_WORDS: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("attempts", "backoff", "on", "neveron"), ("retry.{}",)),
    **dict.fromkeys(
        ("max", "maxattempts", "maxretries", "retries", "tries"), ("attempts", "retry")
    ),
    **dict.fromkeys(("initialdelay", "basedelay"), ("delay", "backoff.delay")),
    **dict.fromkeys(("maxdelay", "ceiling"), ("max", "backoff.max")),
    **dict.fromkeys(("delay", "jitter", "type", "strategy"), ("backoff.{}", "retry.backoff")),
    **dict.fromkeys(("interval", "period", "repeatevery", "frequency"), ("every",)),
    **dict.fromkeys(("schedule", "crontab", "pattern", "cronexpression"), ("cron",)),
    **dict.fromkeys(("tz", "zone"), ("timezone",)),
    **dict.fromkeys(("eta", "when", "date"), ("at",)),
    **dict.fromkeys(("jobname", "name"), ("job",)),
    **dict.fromkeys(
        (
            *("handler", "processor", "uses", "run", "function", "func", "callable"),
            *("command", "script", "class", "image", "entrypoint"),
        ),
        ("use",),
    ),
    **dict.fromkeys(("args", "kwargs", "params", "parameters", "options"), ("with", "data")),
    **dict.fromkeys(("payload", "input", "body", "arguments"), ("data",)),
    **dict.fromkeys(("dependson", "requires", "after", "dependencies"), ("needs",)),
    **dict.fromkeys(("limiter", "throttle", "quota"), ("rate_limit",)),
    **dict.fromkeys(
        ("workers", "threads", "prefetch", "parallelism", "replicas"), ("concurrency",)
    ),
    **dict.fromkeys(("defaultjoboptions", "joboptions", "opts"), ("job",)),
    **dict.fromkeys(("removeoncomplete", "resultttl"), ("keep.completed",)),
    **dict.fromkeys(("removeonfail", "failurettl"), ("keep.failed",)),
    **dict.fromkeys(("timelimit", "softtimelimit", "jobtimeout", "timeoutminutes"), ("timeout",)),
    **dict.fromkeys(("lockduration", "visibilitytimeout"), ("lock",)),
    "order": ("job.{}",),
    "task": ("use", "job"),
    "stalledinterval": ("stalled.every",),
    "maxstalledcount": ("stalled.limit",),
    **dict.fromkeys(("expires", "ttl"), ("expires_in",)),
    **dict.fromkeys(("dedup", "deduplication", "debounce"), ("unique",)),
    **dict.fromkeys(("deadletterqueue", "dlq"), ("dead_letter",)),
    **dict.fromkeys(("connection", "broker", "brokerurl"), ("redis.url",)),
    **dict.fromkeys(("imports", "include"), ("plugins.paths",)),
    **dict.fromkeys(("tasks", "services", "processors"), ("jobs",)),
    **dict.fromkeys(("workflows", "dags", "pipelines"), ("flows",)),
    **dict.fromkeys(("crons", "beat", "beatschedule", "timers"), ("schedules",)),
}

#: Said of a key where it cannot stand, if the map takes another key that tells which map it is.
_SENTENCES: dict[tuple[str, str], str] = {
    **dict.fromkeys(
        (("needs", "use"), ("dependson", "use"), ("steps", "use")),
        "jobs need each other as the steps of a flow, under 'flows'",
    ),
    **dict.fromkeys(
        ((word, "prefix") for word in ("host", "port", "password", "username", "db", "database")),
        "write one url: redis://USER:PASSWORD@HOST:PORT/DB",
    ),
    **dict.fromkeys(
        ((word, "use") for word in ("cron", "every", "schedule", "at")),
        "what adds the job by the clock stands under 'schedules'",
    ),
    ("delay", "use"): "say when the job is added: `toril add --delay 5s`",
    ("id", "use"): "say it when the job is added: `toril add --id ID`",
}

_IN_ROOT = ("version", "project", "redis", "plugins", "defaults")


def explain_key(key: str, known: Collection[str], later: Collection[str]) -> str | None:
    """Gives the hint for a key that does not stand where it should, or has another name here."""
    folded = key.replace("_", "").replace("-", "").lower()
    for (word, neighbour), sentence in _SENTENCES.items():
        if word == folded and neighbour in known:
            return sentence
    for word in _WORDS.get(folded, ()):
        first, _, rest = word.format(key).partition(".")
        if first in known:
            if rest == key:
                return f"it belongs under {first!r}"
            return f"write {first}: {{{rest}: ...}}" if rest else f"write {first!r}"
        if first in later:
            return f"Toril calls it {first!r}, which this version does not have"
    return "it belongs in toril.yaml" if key in _IN_ROOT else None
