"""A Toril plugin with one processor: `files.digest` computes a file's checksum."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from toril import ThreadJob, Unrecoverable, hookimpl, processor


class DigestParams(msgspec.Struct, kw_only=True):
    """What `with:` may say; Toril checks it when the configuration is loaded."""

    algorithm: Literal["sha256", "sha1", "md5"] = "sha256"
    chunk_bytes: Annotated[int, msgspec.Meta(ge=1)] = 1_048_576


# A plain function, so it runs in a thread: reading a large file would block the others on a loop.
@processor("files.digest", params=DigestParams)
def digest(job: ThreadJob, params: DigestParams) -> dict[str, Any]:
    """Reads the file at `data.path`; gives its checksum and size."""
    path = Path(job.data["path"])
    if not path.is_file():
        # Another attempt will not find it either.
        raise Unrecoverable(f"no such file: {path}")
    size = path.stat().st_size
    checksum = hashlib.new(params.algorithm)
    done = 0
    for chunk in read_chunks(path, params.chunk_bytes):
        checksum.update(chunk)
        done += len(chunk)
        job.progress(100 * done // size)
    job.log(f"{params.algorithm} of {path.name}: {checksum.hexdigest()}")
    return {"algorithm": params.algorithm, "digest": checksum.hexdigest(), "bytes": done}


def read_chunks(path: Path, chunk_bytes: int) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(chunk_bytes):
            yield chunk


@hookimpl
def toril_processors() -> Iterable[Any]:
    return [digest]
