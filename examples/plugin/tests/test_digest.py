"""The processor is a function: it is called with a stand-in for its job."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from toril_files import DigestParams, digest

from toril import Unrecoverable


def make_job(**data: Any) -> Any:
    progress: list[int] = []
    log: list[str] = []
    return SimpleNamespace(
        data=data, progress=progress.append, log=log.append, told=progress, lines=log
    )


def test_the_digest_and_size_of_a_file_are_its_result(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(b"bull" * 100)
    job = make_job(path=str(tmp_path / "a.bin"))

    result = digest(job, DigestParams(chunk_bytes=100))

    assert result == {
        "algorithm": "sha256",
        "digest": hashlib.sha256(b"bull" * 100).hexdigest(),
        "bytes": 400,
    }
    assert job.told == [25, 50, 75, 100]


def test_the_algorithm_is_a_parameter(tmp_path: Path):
    (tmp_path / "a.bin").write_bytes(b"bull")
    job = make_job(path=str(tmp_path / "a.bin"))

    result = digest(job, DigestParams(algorithm="md5"))

    assert result["digest"] == hashlib.md5(b"bull").hexdigest()
    assert job.lines == [f"md5 of a.bin: {result['digest']}"]


def test_a_file_that_is_not_there_is_not_tried_again(tmp_path: Path):
    with pytest.raises(Unrecoverable, match="no such file"):
        digest(make_job(path=str(tmp_path / "gone")), DigestParams())
