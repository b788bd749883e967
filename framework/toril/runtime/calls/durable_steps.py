"""Durable steps: results that a job keeps, so that a later attempt goes on where it failed."""

from __future__ import annotations

from typing import Any

from toril.errors import InvalidData, JobNotFound, LockLost
from toril.runtime.call import Call
from toril.runtime.codec import encode_json
from toril.runtime.job import ClaimedJob, StoredJob
from toril.runtime.keys import QueueKeys
from toril.runtime.own_fields import DURABLE_STEP, OWNER

#: They are read with the job each time it is claimed.
MAX_RESULT_BYTES = 1024 * 1024
MAX_NAME_LENGTH = 128
_MAX_FIELDS = 1_000

_PREFIX, _OWNER = DURABLE_STEP.encode(), OWNER.encode()


def check_step_name(name: object) -> str:
    """Gives the name back; raises ValueError unless it is 1 to 128 printable characters."""
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable():
        raise ValueError(f"expected a step's name of 1 to 128 printable characters, got {name!r}")
    return name


def read_steps(job: StoredJob) -> dict[str, bytes]:
    """Gives the results that a job has kept, as JSON by the step's name."""
    return {
        field[len(_PREFIX) :].decode("utf-8", "replace"): value
        for field, value in job.fields.items()
        if field.startswith(_PREFIX)
    }


def encode_step(name: str, result: Any) -> bytes:
    """Writes a step's result as JSON; raises InvalidData if it cannot be kept."""
    encoded = encode_json(result, f"the result of step {name!r}")
    if len(encoded) > MAX_RESULT_BYTES:
        raise InvalidData(
            f"the result of step {name!r} is {len(encoded)} bytes of JSON, expected at most "
            f"{MAX_RESULT_BYTES}; store it elsewhere and return where"
        )
    return encoded


def keep_step(keys: QueueKeys, job: ClaimedJob, name: str, result: bytes) -> Call[bytes]:
    """Keeps a step's result, and gives the one that is kept: the first.

    The reply raises LockLost if the job was started again since, JobNotFound if it is gone, and
    InvalidData if it keeps too many.
    """
    where = f"job {job.id!r} of queue {keys.queue!r}"

    def parse(reply: bytes | int) -> bytes:
        if reply == -1:
            raise JobNotFound(f"no job {job.id!r} in queue {keys.queue!r}")
        if reply == -6:
            raise LockLost(f"{where} was started again; the result of step {name!r} is not kept")
        if isinstance(reply, int):
            raise InvalidData(f"{where} keeps too many steps; {name!r} would be one more")
        return reply

    args = (job.id, job.fields.get(_OWNER, b""), f"{DURABLE_STEP}{name}", result, _MAX_FIELDS)
    return Call("keep_step", (keys.base,), args, parse)
