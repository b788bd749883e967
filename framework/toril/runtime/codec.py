"""JSON, job options and job ids, as they stand in Redis."""

from __future__ import annotations

import json
import math
import os
import re
from binascii import b2a_base64
from collections.abc import Mapping
from functools import cached_property, lru_cache
from typing import Any, Literal

import msgspec

from toril.declarations.job_type import KeepRule
from toril.errors import InvalidData, InvalidJobId
from toril.runtime.keys import QUEUE_SUFFIXES

#: Past this a Node peer, whose numbers are doubles, would silently change an integer.
MAX_INTEGER = 2**53
#: Deeper values are refused; so are circular ones, which have no end.
MAX_DEPTH = 200
MAX_ID_BYTES = 512
#: Options up to this size are kept in memory once read.
_SHARED_BYTES = 1024
#: Characters of an id in a message.
SHOWN_ID = 100

#: Job options that BullMQ stores under a short name.
SHORT_NAMES: Mapping[str, str] = {
    "deduplication": "de",
    "failParentOnFailure": "fpof",
    "continueParentOnFailure": "cpof",
    "ignoreDependencyOnFailure": "idof",
    "removeDependencyOnFailure": "rdof",
    "keepLogs": "kl",
}
LONG_NAMES: Mapping[str, str] = {short: long for long, short in SHORT_NAMES.items()}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode
#: The digits of generated ids, as they sort; none means anything in a URL, a glob or a key.
_ID_DIGITS = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz~"
_FROM_BASE64 = bytes.maketrans(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", _ID_DIGITS
)
#: The chance of ids to come, drawn for so many at once: it takes longer than all else in an id.
_CHANCES_AT_ONCE = 64
_chances: list[str] = []
os.register_at_fork(after_in_child=_chances.clear)
_INTEGER = re.compile(r"-?[0-9]+")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def encode_json(value: Any, what: str = "data") -> bytes:
    """Writes a value as JSON that every peer reads back unchanged.

    Raises InvalidData, naming `what` and the place inside it, for what JSON cannot hold.
    """
    if _is_plain(value, 0):
        try:
            return _encode(value)
        except UnicodeEncodeError:
            pass  # the closer look finds where
    _check_json(value, what, 0)
    try:
        return _encode(value)
    except TypeError:
        # Subclasses of str, int or float (an Enum, a numpy number) are beyond msgspec.
        text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
        return text.encode()


def _is_plain(value: Any, depth: int) -> bool:
    """Tells quickly of most values that JSON holds them, but for the text in them."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():
            if type(key) is not str or (type(item) is not str and not _is_plain(item, depth + 1)):
                return False
        return depth < MAX_DEPTH
    if kind is list:
        return depth < MAX_DEPTH and all(_is_plain(item, depth + 1) for item in value)
    if kind is int or kind is float:
        # An infinite one is larger, and what is no number compares with none.
        return bool(-MAX_INTEGER <= value <= MAX_INTEGER)
    return kind is str or kind is bool or value is None


def _check_json(value: Any, path: str, depth: int) -> None:
    kind = type(value)
    if kind is str or value is None or kind is bool:
        if kind is str and not value.isascii():
            _check_text(value, path)
    elif kind is dict or isinstance(value, dict):
        _check_depth(depth, path)
        for key, item in value.items():
            if not isinstance(key, str):
                raise InvalidData(f"expected text as key in {path}, got {key!r}")
            _check_text(key, path)
            _check_json(item, f"{path}.{key}", depth + 1)
    elif isinstance(value, list | tuple):
        _check_depth(depth, path)
        for index, item in enumerate(value):
            _check_json(item, f"{path}[{index}]", depth + 1)
    elif isinstance(value, int):
        if not -MAX_INTEGER <= value <= MAX_INTEGER:
            raise InvalidData(
                f"{path} is the integer {value}, beyond 2^53: a Node peer would change it; "
                "pass it as text"
            )
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidData(f"{path} is {value}, which JSON cannot hold; pass null or text")
    elif isinstance(value, str):
        _check_text(value, path)
    else:
        raise InvalidData(f"{path} is a {kind.__name__}, which JSON cannot hold")


def _check_text(text: str, path: str) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise InvalidData(f"{path} holds half a surrogate pair, which UTF-8 cannot hold") from error


def _check_depth(depth: int, path: str) -> None:
    if depth >= MAX_DEPTH:
        start = path if len(path) <= 60 else path[:60] + "..."
        raise InvalidData(f"{start} is nested more than {MAX_DEPTH} levels deep")


def decode_json(raw: bytes | str, what: str = "data") -> Any:
    """Reads JSON that any peer wrote; raises InvalidData when it is none."""
    try:
        return _decode(raw)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        # Node may store what msgspec refuses: lone surrogates, numbers past a double's range.
        try:
            return json.loads(raw, parse_constant=_refuse_constant)
        except (ValueError, RecursionError) as error:
            raise InvalidData(f"{what} is not JSON: {error}") from error


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


class JobOpts(dict[str, Any]):
    """Options that many jobs have in common, by their public names; not to be changed."""

    @cached_property
    def json(self) -> bytes:
        """As they are stored."""
        return encode_opts(self)


def encode_opts(opts: Mapping[str, Any]) -> bytes:
    """Writes job options with BullMQ's short names; options that are None are left out."""
    stored = {SHORT_NAMES.get(name, name): value for name, value in opts.items()}
    telemetry = stored.pop("telemetry", None)
    if telemetry:
        stored["tm"] = telemetry.get("metadata")
        stored["omc"] = telemetry.get("omitContext")
    return encode_json({name: value for name, value in stored.items() if value is not None}, "opts")


def decode_opts(raw: bytes | str) -> dict[str, Any]:
    """Reads stored job options into their public names; raises InvalidData unless an object."""
    stored = decode_json(raw, "opts")
    if not isinstance(stored, dict):
        raise InvalidData(f"expected opts to be an object, got {stored!r}")
    opts = {LONG_NAMES.get(name, name): value for name, value in stored.items()}
    telemetry = {"metadata": opts.pop("tm", None), "omitContext": opts.pop("omc", None)}
    if any(value is not None for value in telemetry.values()):
        opts["telemetry"] = {name: value for name, value in telemetry.items() if value is not None}
    return opts


def read_keep(
    raw_opts: bytes, job_id: str, outcome: Literal["completed", "failed"], declared: KeepRule
) -> KeepRule:
    """How long a finished job stays: its own removeOnComplete or removeOnFail, else `declared`.

    Its stored options are most often those of many jobs, but for the id; they are read once then.
    They say nothing if a peer stored what cannot be read.
    """
    raw_opts = raw_opts.replace(b'"jobId":"%b"' % job_id.encode(), b'"jobId":""', 1)
    read = _read_shared_keep if len(raw_opts) <= _SHARED_BYTES else _read_own_keep
    return read(raw_opts, outcome) or declared


def _read_own_keep(raw_opts: bytes, outcome: str) -> KeepRule | None:
    name = "removeOnComplete" if outcome == "completed" else "removeOnFail"
    try:
        own = decode_opts(raw_opts).get(name)
    except InvalidData:
        return None
    if isinstance(own, bool):
        return KeepRule(count=0) if own else KeepRule()
    if isinstance(own, int | float):
        return KeepRule(count=to_integer(own)) if own >= 0 else KeepRule()
    if not isinstance(own, Mapping):
        return None
    count, age = own.get("count"), own.get("age")
    return KeepRule(
        count=to_integer(count) if isinstance(count, int | float) and count >= 0 else None,
        age_ms=to_integer(age * 1000) if isinstance(age, int | float) and age >= 0 else None,
    )


_read_shared_keep = lru_cache(maxsize=1024)(_read_own_keep)


def to_integer(number: float) -> int:
    """Rounds a peer's number down, within what scripts take: JSON holds any, 1e999 too."""
    return int(max(min(number, MAX_INTEGER), -MAX_INTEGER))


def encode_keep(rule: KeepRule) -> dict[str, int] | int | bool:
    """Writes a keep rule as removeOnComplete/removeOnFail; ages there are whole seconds.

    A count alone is a number: any text beyond 64 bytes in its hash doubles a job's memory.
    """
    if rule.age_ms is None and rule.count is not None:
        return rule.count
    keep = {}
    if rule.count is not None:
        keep["count"] = rule.count
    if rule.age_ms is not None:
        keep["age"] = -(-rule.age_ms // 1000)
    return keep or False


def generate_job_id(now_ms: int) -> str:
    """Makes a new id of 20 characters: 48 bits of time, as in a UUID of version 7, 72 of chance.

    Ids made later sort later. Until the year 2109 none is an integer, which BullMQ keeps for its
    own: the second digit tells the time in steps of two years, and has been a letter since 1991.
    """
    while True:
        try:
            return _write_time(now_ms) + _chances.pop()
        except IndexError:
            digits = _write_digits(os.urandom(9 * _CHANCES_AT_ONCE))
            _chances.extend(digits[at : at + 12] for at in range(0, len(digits), 12))


@lru_cache(maxsize=4)
def _write_time(now_ms: int) -> str:
    return _write_digits((now_ms & (1 << 48) - 1).to_bytes(6))


def _write_digits(raw: bytes) -> str:
    """Writes three bytes as four digits."""
    return b2a_base64(raw, newline=False).translate(_FROM_BASE64).decode()


def validate_job_id(job_id: str) -> str:
    """Gives the id back if the layout can hold it; raises InvalidJobId otherwise.

    Stricter than Node only where Node would break its own keys: reserved names, control characters.
    """
    problem = _find_id_problem(job_id)
    if problem:
        raise InvalidJobId(f"job id {_show_id(job_id)} {problem}")
    return job_id


def validate_run_id(run_id: str) -> str:
    """Gives the id of a flow's run back, from which those of its jobs are made, as for a job's."""
    problem = _find_id_problem(run_id)
    if problem:
        raise InvalidJobId(f"run id {_show_id(run_id)} {problem}")
    return run_id


def validate_schedule_id(schedule_id: str) -> str:
    """Gives a schedule's id back if the layout can hold it; raises InvalidJobId otherwise."""
    problem = _find_key_problem(schedule_id)
    if problem:
        raise InvalidJobId(f"schedule id {_show_id(schedule_id)} {problem}")
    return schedule_id


def _show_id(text: str) -> str:
    return repr(text if len(text) <= SHOWN_ID else f"{text[:SHOWN_ID]}…")


def _find_id_problem(job_id: str) -> str | None:
    if _INTEGER.fullmatch(job_id):
        return "is an integer, which would collide with generated ids; put a letter in it"
    if job_id in QUEUE_SUFFIXES:
        return "is the name of one of the queue's own keys"
    return _find_key_problem(job_id)


def _find_key_problem(job_id: str) -> str | None:
    if not job_id:
        return "is empty"
    if ":" in job_id:
        return "holds ':', which parts the keys in Redis; use '-' or '.'"
    if _CONTROL.search(job_id):
        return "holds a control character"
    try:
        size = len(job_id.encode())
    except UnicodeEncodeError:
        return "holds half a surrogate pair"
    if size > MAX_ID_BYTES:
        return f"is {size} bytes long; at most {MAX_ID_BYTES} are allowed"
    return None
