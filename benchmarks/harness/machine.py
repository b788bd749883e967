"""Where and when a run was made, and with which versions."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path

from benchmarks.harness.bench import Bench


def describe_run(bench: Bench) -> dict[str, str]:
    """Gives what a reader has to know of a run."""
    about = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "rounds": str(bench.rounds),
        "machine": f"{os.cpu_count()} cores, {_find_processor()}, {platform.system()}",
        "server": f"Valkey {bench.server.version}, without persistence, on loopback",
        "Python": platform.python_version(),
    }
    versions = [f"{one.name} {one.version}" for one in bench.contenders]
    return {**about, "contenders": ", ".join(versions)}


def _find_processor() -> str:
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return found[1].strip() if found else platform.machine()
