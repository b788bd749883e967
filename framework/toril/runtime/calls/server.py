"""Asking the server about itself: version, persistence, memory."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from toril.runtime.call import Call

Persistence = Literal["append-only file", "snapshots", "none"]

#: Beyond this share of maxmemory, adds will soon be refused.
_FULL = 0.9


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerFacts:
    """What a server tells of itself; what it keeps to itself is None."""

    software: str
    version: str
    persistence: Persistence
    #: How often the append-only file is forced to disk: always, everysec, no.
    fsync: str | None
    #: Whether the last writes to disk worked.
    writes_work: bool
    used_memory: int
    #: 0: no limit.
    max_memory: int


def read_server() -> Call[dict[str, Any]]:
    """Reads INFO."""
    return Call(None, (), ("INFO",), dict)


def read_settings() -> list[Call[dict[str, str]]]:
    """Reads the settings of persistence, each apart; managed servers refuse to tell."""
    # More than one name in a CONFIG GET takes Redis 7.
    return [Call(None, (), ("CONFIG", "GET", name), _to_texts) for name in ("appendfsync", "save")]


def gather_facts(
    info: Mapping[str, Any], answers: Iterable[Mapping[str, str] | Exception]
) -> ServerFacts:
    """Makes facts of what INFO and the settings said; refused ones count for nothing."""
    settings = {
        name: value
        for answer in answers
        if isinstance(answer, Mapping)
        for name, value in answer.items()
    }
    is_valkey = "valkey_version" in info
    by_file = bool(info.get("aof_enabled"))
    # Snapshots cannot be ruled out on a server that does not show its settings.
    by_snapshots = settings.get("save", "unknown") != ""
    return ServerFacts(
        software="Valkey" if is_valkey else "Redis",
        version=str(info.get("valkey_version" if is_valkey else "redis_version", "unknown")),
        persistence="append-only file" if by_file else "snapshots" if by_snapshots else "none",
        fsync=settings.get("appendfsync") if by_file else None,
        writes_work="err" not in (_last_write(info, by_file), _last_snapshot(info, by_snapshots)),
        used_memory=int(info.get("used_memory", 0)),
        max_memory=int(info.get("maxmemory", 0)),
    )


def find_faults(facts: ServerFacts) -> list[str]:
    """Words what endangers jobs on this server, and what to do about it."""
    faults = []
    if facts.persistence == "none":
        faults.append("nothing is kept on disk: a restart loses every job; set appendonly to yes")
    if facts.persistence == "snapshots":
        faults.append(
            "only snapshots are kept on disk: a crash loses every job since the last one; set "
            "appendonly to yes"
        )
    if facts.fsync == "no":
        faults.append(
            "the append-only file is never forced to disk: a crash of the machine may lose many "
            "seconds of jobs; set appendfsync to everysec or always"
        )
    if not facts.writes_work:
        faults.append("the last write to disk failed; see the server's log and the disk's room")
    if facts.max_memory and facts.used_memory > _FULL * facts.max_memory:
        share = 100 * facts.used_memory // facts.max_memory
        faults.append(
            f"memory is {share} % full; raise maxmemory, or keep fewer finished jobs (keep)"
        )
    return faults


def _last_write(info: Mapping[str, Any], by_file: bool) -> Any:
    return info.get("aof_last_write_status") if by_file else None


def _last_snapshot(info: Mapping[str, Any], by_snapshots: bool) -> Any:
    return info.get("rdb_last_bgsave_status") if by_snapshots else None


def _to_texts(reply: Any) -> dict[str, str]:
    if isinstance(reply, Mapping):
        pairs = list(reply.items())
    else:
        pairs = list(zip(reply[::2], reply[1::2], strict=True))
    return {_to_text(name): _to_text(value) for name, value in pairs}


def _to_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
