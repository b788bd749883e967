"""What a schema cannot say: names that lead nowhere, and things that do not go together."""

from __future__ import annotations

from toril.config.check_dead_letters import check_dead_letters
from toril.config.check_expressions import check_misplaced
from toril.config.check_flows import check_flows, check_inputs
from toril.config.check_jobs import check_jobs
from toril.config.check_queues import check_queues
from toril.config.check_redis import check_redis
from toril.config.check_schedules import check_default_timezone, check_schedules
from toril.config.check_secrets import check_secrets
from toril.config.context import Context
from toril.config.document import Document


def check_references(context: Context, documents: list[Document]) -> None:
    """Checks everything that one declaration says of another."""
    check_misplaced(documents)
    check_redis(context)
    check_default_timezone(context)
    check_queues(context)
    check_jobs(context)
    check_dead_letters(context)
    check_inputs(context)
    check_schedules(context)
    check_flows(context)
    check_secrets(context, documents)
