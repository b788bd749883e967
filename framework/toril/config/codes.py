"""Every code a problem can have, with the sentence that explains it.

T1xx the text and its shape · T2xx references between declarations · T3xx time · T4xx expressions,
variables and secrets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Code:
    """A kind of problem."""

    severity: Literal["error", "warning"]
    #: One sentence: what it means, and why it is a problem.
    explanation: str


def _error(explanation: str) -> Code:
    return Code("error", explanation)


def _warning(explanation: str) -> Code:
    return Code("warning", explanation)


CODES: dict[str, Code] = {
    "T100": _error("The directory is not a pipeline: `toril.yaml` is missing in it."),
    "T101": _error("The text is not YAML from this place on."),
    "T102": _error("A map gives the same key twice; YAML would keep only one of the values."),
    "T103": _error("The value is not of the kind that is expected here."),
    "T104": _error("The key is not known here; only `x-...` keys may be chosen freely."),
    "T105": _error("A key that has to be there is missing."),
    "T106": _error("A YAML tag such as `!env` is not known: values have no types of their own."),
    "T107": _error("A file holds one YAML document; another one starts here."),
    "T108": _error("A tab stands between values; YAML is indented with blanks."),
    "T109": _error("The file is larger, deeper nested or expands to more than is accepted."),
    "T110": _error("An anchor, an alias or a merge key `<<` does not work out."),
    "T111": _error("This is part of Toril's language, but not available in this version."),
    "T112": _error("The file cannot be read, or is not UTF-8 text."),
    "T113": _error("A symbolic link leads out of the configuration directory."),
    "T114": _error("Keys of maps are text."),
    "T115": _error("Only one of these keys can be given."),
    "T116": _error("What stands under `data_schema` or `inputs` is not a JSON Schema."),
    "T117": _error("The name cannot be used for a queue, job, schedule, flow or step."),
    "T201": _error("No such queue, job, flow or step is declared."),
    "T202": _error("Two files declare the same name."),
    "T203": _error("Steps of a flow need each other in a circle, so none could start."),
    "T204": _error("Several steps need one, in a flow of which other runtimes work every queue."),
    "T205": _error("No plugin supplies a processor of that name."),
    "T206": _error("No plugin supplies a backoff type of that name."),
    "T207": _error("Jobs of an external queue are run elsewhere and cannot have a processor."),
    "T208": _error("Jobs of a queue that Toril serves need a processor."),
    "T209": _error("The processor takes no parameters."),
    "T210": _error("The processor cannot run in that way: coroutines run async, functions do not."),
    "T211": _warning("Another runtime works this queue and computes another pause."),
    "T212": _warning("The key has no effect here."),
    "T213": _error("A local plugin must be a Python file inside the configuration directory."),
    "T214": _warning("A local plugin could not be loaded."),
    "T215": _error("The data does not fit the job's `data_schema` or the flow's `inputs`."),
    "T216": _error("The backoff lacks what its type needs."),
    "T217": _warning("No plugin of that name is there, but one of a similar name."),
    "T218": _error("A schedule cannot start a flow of which other runtimes work every step."),
    "T219": _error("The parameters fit their schema, but the processor's own type refuses them."),
    "T220": _error("Several jobs could handle the dead letters; one has to be named."),
    "T221": _error("Dead letters would come back to the queue they come from."),
    "T222": _error("No plugin supplies a source of that name."),
    "T223": _error("No plugin of that name takes settings."),
    "T301": _error("The cron expression cannot be read."),
    "T302": _error("The time zone is not known."),
    "T303": _error("The instant cannot be read."),
    "T401": _error("The expression in `${{ }}` is wrong."),
    "T402": _error("Expressions `${{ }}` are not evaluated at this place."),
    "T403": _error("The variable reference `${...}` cannot be read."),
    "T404": _error("A variable that has to be set is not."),
    "T405": _warning("A variable is not set and has no default; it reads as empty text."),
    "T406": _error("The secret reference cannot be resolved, or stands where none can."),
    "T407": _error("The expression names an input, a needed step or a member that is not there."),
    "T408": _error("Only Toril's workers do that; the queue is another runtime's."),
    "T409": _warning("Text in `{{ }}` stays as it is; an expression is written `${{ }}`."),
}
