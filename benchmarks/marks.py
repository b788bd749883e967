"""How jobs tell that they ran: a counter each worker process keeps in a small shared file.

Jobs of every contender call `mark`; the harness reads the files while the workers run. Nothing goes
over Redis, so the measured server does only the contender's own work. Times are CLOCK_MONOTONIC,
which all processes of a machine share. `node/marks.mjs` writes the same files.
"""

from __future__ import annotations

import mmap
import os
import struct
import threading
import time
from dataclasses import dataclass
from pathlib import Path

#: How many jobs ran, when the last one did.
RECORD = struct.Struct("<QQ")
#: Names the folder of the files.
FOLDER_VARIABLE = "BENCH_MARKS"


class Marks:
    """The counter of this process; its file is made at the first mark, so after any fork."""

    def __init__(self) -> None:
        self._mutex = threading.Lock()
        self._record: mmap.mmap | None = None

    def open(self) -> mmap.mmap:
        """Makes the file now, so that forked children go on with this process's counter."""
        with _choose_path("count").open("w+b", buffering=0) as file:
            file.write(bytes(RECORD.size))
            self._record = mmap.mmap(file.fileno(), RECORD.size)
        return self._record

    def mark(self) -> None:
        """Counts one job more."""
        with self._mutex:
            record = self._record or self.open()
            jobs = RECORD.unpack_from(record)[0] + 1
            RECORD.pack_into(record, 0, jobs, time.monotonic_ns())

    def mark_pickup(self, added_ns: int) -> None:
        """Counts one job more, and notes how long ago its adder began to add it."""
        took_ns = time.monotonic_ns() - added_ns
        with _choose_path("pickups").open("ab") as file:
            file.write(struct.pack("<q", took_ns))
        self.mark()


def _choose_path(kind: str) -> Path:
    return Path(os.environ[FOLDER_VARIABLE], f"{os.getpid()}.{kind}")


MARKS = Marks()
mark = MARKS.mark
mark_pickup = MARKS.mark_pickup


@dataclass(frozen=True, kw_only=True, slots=True)
class Progress:
    """What all processes have done so far."""

    jobs: int
    #: How many processes have run at least one.
    processes: int
    #: When the last job ran.
    at_ns: int


def read_progress(folder: Path) -> Progress:
    """Adds up the files of a folder."""
    packed = [path.read_bytes() for path in folder.glob("*.count")]
    # One that was made this instant is still empty.
    records = [RECORD.unpack(record) for record in packed if record]
    return Progress(
        jobs=sum(jobs for jobs, _ in records),
        processes=sum(jobs > 0 for jobs, _ in records),
        at_ns=max((at_ns for _, at_ns in records), default=0),
    )


def read_pickups_ms(folder: Path) -> list[float]:
    """Gives the noted times from adding to running, unsorted."""
    packed = b"".join(path.read_bytes() for path in folder.glob("*.pickups"))
    return [ns / 1e6 for (ns,) in struct.iter_unpack("<q", packed)]
