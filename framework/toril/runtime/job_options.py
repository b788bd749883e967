"""What a job type stores with each of its jobs, as BullMQ's options by their public names.

So a Node worker, or one whose configuration is older, retries the job as it was declared when it
was added. How long it stays when it has finished, Toril's workers know: stored with each job, that
would be a fifth of a small one's memory.
"""

from __future__ import annotations

from typing import Any

from toril.declarations.backoff import Backoff
from toril.declarations.job_type import JobType
from toril.declarations.queue import Queue
from toril.runtime.codec import JobOpts, encode_keep


def build_opts(job_type: JobType, queue: Queue) -> JobOpts:
    """Gives attempts and backoff as the job type declares them, removeOnComplete and removeOnFail.

    The last two only for a queue that others serve, and for jobs of which nothing stays: what else
    a Node worker leaves beside Toril's on one queue, these trim as they finish jobs of their own.
    """
    opts = JobOpts({"attempts": job_type.retry.attempts})
    if job_type.retry.backoff is not None:
        opts["backoff"] = build_backoff(job_type.retry.backoff)
    keep = {"removeOnComplete": job_type.keep.completed, "removeOnFail": job_type.keep.failed}
    for name, rule in keep.items():
        if queue.served_by == "external" or rule.count == 0:
            opts[name] = encode_keep(rule)
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
