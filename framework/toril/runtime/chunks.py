"""Cuts lists into what one call takes: new jobs, queues."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

from toril.runtime.job import NewJob

T = TypeVar("T")

#: What one script call takes, so that it does not keep the server from others for long.
CHUNK_JOBS = 1_000
CHUNK_BYTES = 8 * 1024 * 1024
#: Queues that one call looks through: about a millisecond of the server's if nothing is in them.
CHUNK_QUEUES = 100


def cut_into_chunks(jobs: Sequence[NewJob]) -> Iterator[Sequence[NewJob]]:
    """Cuts jobs into lists that one call takes each, by number and by size."""
    start = size = 0
    for index, job in enumerate(jobs):
        size += len(job.data)
        if index > start and (index - start == CHUNK_JOBS or size > CHUNK_BYTES):
            yield jobs[start:index]
            start, size = index, len(job.data)
    if start < len(jobs):
        yield jobs[start:]


def cut_queues(queues: Sequence[T]) -> Iterator[Sequence[T]]:
    """Cuts queues into lists that one call looks through each."""
    for start in range(0, len(queues), CHUNK_QUEUES):
        yield queues[start : start + CHUNK_QUEUES]
