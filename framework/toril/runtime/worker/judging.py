"""Decides how a run ended that raised, whatever it raised."""

from __future__ import annotations

import random
from collections.abc import Mapping

from toril.declarations.backoff import WaitFactory
from toril.declarations.job_type import Keep, Retry
from toril.errors import Unrecoverable
from toril.runtime.job import StoredJob
from toril.runtime.outcomes import Settlement
from toril.runtime.worker.decide import DEFAULT_KEEP, NO_RETRY, decide_failure, fail
from toril.runtime.worker.lifetime import find_end_ms
from toril.runtime.worker.plans import Plan


def find_policy(plan: Plan | None) -> tuple[Retry, Keep]:
    """Gives how a job is retried and kept; None: nothing is known of it here."""
    return (NO_RETRY, DEFAULT_KEEP) if plan is None else (plan.job_type.retry, plan.job_type.keep)


def judge(
    job: StoredJob,
    error: BaseException,
    *,
    plan: Plan | None,
    now_ms: int,
    factories: Mapping[str, WaitFactory],
    has_added_children: bool,
) -> Settlement:
    """Gives what becomes of the job; an error whose own class is broken fails it for good."""
    retry, keep = find_policy(plan)
    try:
        return decide_failure(
            job,
            error,
            retry=retry,
            keep=keep,
            now_ms=now_ms,
            random_unit=random.random(),
            factories=factories,
            end_ms=None if plan is None else find_end_ms(plan.job_type, job),
            has_added_children=has_added_children,
        )
    except Exception as fault:  # noqa: BLE001 - an error whose own class is broken
        text = f"{type(error).__name__}, which cannot be described: {type(fault).__name__}"
        return fail(job, Unrecoverable(text), attempts=retry.attempts, keep=keep)
