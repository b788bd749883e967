"""Cutting new jobs into calls."""

from __future__ import annotations

from toril.runtime.chunks import CHUNK_BYTES, CHUNK_JOBS, cut_into_chunks
from toril.runtime.job import NewJob


def test_jobs_are_cut_by_number_and_by_size() -> None:
    def make(size: int) -> NewJob:
        return NewJob(queue="q", id="a", name="n", data=b"x" * size, timestamp_ms=0)

    small = [make(2)] * (2 * CHUNK_JOBS + 1)
    large = [make(CHUNK_BYTES // 2)] * 3 + [make(CHUNK_BYTES + 1), make(1)]

    assert [len(chunk) for chunk in cut_into_chunks(small)] == [CHUNK_JOBS, CHUNK_JOBS, 1]
    assert [len(chunk) for chunk in cut_into_chunks(large)] == [2, 1, 1, 1]
    assert list(cut_into_chunks([])) == []
