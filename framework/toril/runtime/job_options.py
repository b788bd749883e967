"""What a job type stores with each of its jobs, as BullMQ's options by their public names.

So a Node worker, or one whose configuration is older, treats the job as declared when it was added.
"""

from __future__ import annotations

from typing import Any

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import JobType
from toril.runtime.codec import JobOpts, encode_keep


def build_opts(job_type: JobType) -> JobOpts:
    """Gives attempts, backoff, removeOnComplete and removeOnFail as the job type declares them."""
    opts = JobOpts({"attempts": job_type.retry.attempts})
    if job_type.retry.backoff is not None:
        opts["backoff"] = build_backoff(job_type.retry.backoff)
    opts["removeOnComplete"] = encode_keep(job_type.keep.completed)
    opts["removeOnFail"] = encode_keep(job_type.keep.failed)
    return opts


def build_backoff(backoff: Backoff) -> dict[str, Any]:
    """Gives BullMQ's `backoff`; max and delays are Toril's own, which Node passes over."""
    stored: dict[str, Any] = {**backoff.options, "type": backoff.type, "delay": backoff.delay_ms}
    if backoff.jitter:
        stored["jitter"] = backoff.jitter
    if backoff.max_ms is not None:
        stored["max"] = backoff.max_ms
    if backoff.delays_ms:
        stored["delays"] = list(backoff.delays_ms)
    return stored
