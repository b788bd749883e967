"""Cuts lists of new jobs into what one call takes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from toril.runtime.job import NewJob

#: What one script call takes, so that it does not keep the server from others for long.
CHUNK_JOBS = 1_000
CHUNK_BYTES = 8 * 1024 * 1024


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
