"""Checks `dead_letter`: its queue, who handles the copies there, its expression, no way back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from toril.config.check_expressions import read_template, report_member
from toril.config.context import Context, is_external
from toril.config.document import Document, Path
from toril.config.entries import Entry
from toril.config.layers import write_out_dead_letter
from toril.config.suggestions import list_known, suggest
from toril.declarations.dead_letter import WHEN_MEMBERS, WHEN_VARIABLES
from toril.declarations.expression import find_unknown_members


@dataclass(frozen=True, slots=True)
class _Said:
    """One `dead_letter`, where it is said and of which queues."""

    document: Document
    path: Path
    rule: dict[str, Any]
    is_short: bool
    sources: tuple[str, ...]

    def place(self, key: str) -> Path:
        return self.path if self.is_short else (*self.path, key)


def check_dead_letters(context: Context) -> None:
    """Checks every `dead_letter` that is said."""
    leads = _find_leads(context)
    for said in _find_all(context):
        queue = context.entries.queues.get(said.rule["queue"])
        if queue is None:
            name, known = said.rule["queue"], context.entries.queues
            hint = suggest(name, known) or list_known("queue", known)
            message = f"no queue {name!r} is declared"
            said.document.add("T201", said.place("queue"), message, hint=hint)
            continue
        _check_handler(context, said, queue)
        _check_when(said)
        _check_circle(said, leads)
        _warn_of_external(context, said)


def _find_all(context: Context) -> Iterator[_Said]:
    default = context.defaults("queue").get("dead_letter", False)
    if default is not False:
        yield _make(context.top, ("defaults", "queue", "dead_letter"), default, ())
    for queue in context.entries.queues.values():
        if queue.has("dead_letter") and queue.value["dead_letter"] is not False:
            path = (*queue.path, "dead_letter")
            yield _make(queue.document, path, queue.value["dead_letter"], (queue.name,))
    for job in context.entries.jobs.values():
        if job.has("dead_letter") and job.value["dead_letter"] is not False:
            sources = (job.value["queue"],) if job.has("queue") else ()
            path = (*job.path, "dead_letter")
            yield _make(job.document, path, job.value["dead_letter"], sources)


def _make(document: Document, path: Path, said: Any, sources: tuple[str, ...]) -> _Said:
    return _Said(document, path, write_out_dead_letter(said), isinstance(said, str), sources)


def _find_leads(context: Context) -> dict[str, set[str]]:
    """Gives to which queues the letters of each queue's jobs go."""
    leads: dict[str, set[str]] = {}
    default = context.defaults("queue").get("dead_letter", False)
    for queue in context.entries.queues.values():
        said = queue.value.get("dead_letter") if queue.has("dead_letter") else default
        target = None if said is False else write_out_dead_letter(said)["queue"]
        # The queue that a default leads to has none itself.
        if target is not None and (said is not default or target != queue.name):
            leads.setdefault(queue.name, set()).add(target)
    for said_of_job in _find_all(context):
        for source in said_of_job.sources:
            leads.setdefault(source, set()).add(said_of_job.rule["queue"])
    return leads


def _check_handler(context: Context, said: _Said, queue: Entry) -> None:
    handlers = context.jobs_by_queue().get(queue.name, [])
    name = said.rule.get("job")
    if name is None:
        if len(handlers) > 1:
            jobs = ", ".join(map(repr, handlers))
            message = f"several jobs could handle the dead letters of queue {queue.name!r}: {jobs}"
            hint = f"write dead_letter: {{queue: {queue.name}, job: {handlers[0]}}}"
            said.document.add("T220", said.place("queue"), message, hint=hint)
    elif name not in handlers:
        message = f"no job {name!r} is declared for queue {queue.name!r}"
        hint = suggest(name, handlers) or list_known("job", handlers)
        said.document.add("T201", said.place("job"), message, hint=hint)


def _check_when(said: _Said) -> None:
    path = said.place("when")
    if "when" not in said.rule or path in said.document.unread:
        return
    template = read_template(said.document, path, said.rule["when"], WHEN_VARIABLES)
    if template is None:
        return
    if not template.is_expression:
        message = "expected one expression, got text"
        hint = "write ${{ error.type != 'Cancelled' }}"
        said.document.add("T401", path, message, hint=hint)
    for unknown in find_unknown_members(template, WHEN_MEMBERS):
        of = unknown.reference.names[0]
        message = f"{of!r} has no {unknown.name!r} here"
        hint = suggest(unknown.name, unknown.known) or list_known("member", unknown.known)
        report_member(said.document, path, template, unknown, message, hint)


def _check_circle(said: _Said, leads: dict[str, set[str]]) -> None:
    """A letter that fails must not come back to where it comes from."""
    target = said.rule["queue"]
    reached, pending = set(), [target]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += leads.get(name, ())
    for source in said.sources:
        if source in reached:
            message = f"dead letters of queue {source!r} would come back to it"
            hint = "let them end in a queue that has no dead letters, or write dead_letter: false"
            said.document.add("T221", said.place("queue"), message, hint=hint)


def _warn_of_external(context: Context, said: _Said) -> None:
    for source in said.sources:
        queue = context.entries.queues.get(source)
        if queue is not None and queue.is_sound and is_external(queue):
            message = f"'dead_letter' has no effect: another runtime works queue {source!r}"
            said.document.add("T212", said.path, message, hint="remove it", at_key=True)
