"""What a server's own words mean for jobs."""

from __future__ import annotations

from typing import Any

import pytest

from toril.runtime.calls.server import find_faults, gather_facts

SOUND = {"redis_version": "7.4.0", "aof_enabled": 1, "aof_last_write_status": "ok"}
EVERYSEC = {"appendfsync": "everysec", "save": ""}


@pytest.mark.parametrize(
    ("info", "settings", "faults"),
    [
        (SOUND, EVERYSEC, []),
        (SOUND, {}, []),
        (
            {**SOUND, "aof_enabled": 0},
            EVERYSEC,
            ["nothing is kept on disk: a restart loses every job; set appendonly to yes"],
        ),
        (
            {**SOUND, "aof_enabled": 0},
            {"save": "3600 1"},
            [
                "only snapshots are kept on disk: a crash loses every job since the last one; set "
                "appendonly to yes"
            ],
        ),
        (
            SOUND,
            {"appendfsync": "no"},
            [
                "the append-only file is never forced to disk: a crash of the machine may lose "
                "many seconds of jobs; set appendfsync to everysec or always"
            ],
        ),
        (
            {**SOUND, "aof_last_write_status": "err"},
            EVERYSEC,
            ["the last write to disk failed; see the server's log and the disk's room"],
        ),
        # A failed snapshot of a server that takes none is an old story.
        ({**SOUND, "rdb_last_bgsave_status": "err"}, EVERYSEC, []),
        (
            {**SOUND, "used_memory": 95, "maxmemory": 100},
            EVERYSEC,
            ["memory is 95 % full; raise maxmemory, or keep fewer finished jobs (keep)"],
        ),
        ({**SOUND, "used_memory": 50, "maxmemory": 100}, EVERYSEC, []),
    ],
)
def test_what_endangers_jobs_is_found(
    info: dict[str, Any], settings: dict[str, str], faults: list[str]
) -> None:
    assert find_faults(gather_facts(info, [settings])) == faults


def test_a_valkey_is_called_by_its_own_name_and_version() -> None:
    facts = gather_facts({**SOUND, "valkey_version": "9.1.0"}, [EVERYSEC])

    assert (facts.software, facts.version) == ("Valkey", "9.1.0")


def test_a_refused_setting_counts_for_nothing() -> None:
    assert find_faults(gather_facts(SOUND, [ValueError("no CONFIG here")])) == []
