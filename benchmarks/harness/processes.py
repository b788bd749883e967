"""What the kernel tells of processes: their descendants, processor time and memory (Linux only)."""

from __future__ import annotations

import ctypes
import os
import signal
from collections import defaultdict
from pathlib import Path

PROC = Path("/proc")
TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1


def die_with_parent() -> None:
    """Has the kernel kill this process when the one that started it ends, however it ends."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def find_tree(root: int) -> list[int]:
    """Gives a process and all its descendants."""
    children: dict[int, list[int]] = defaultdict(list)
    for path in PROC.glob("[0-9]*/stat"):
        if fields := _read_stat(path):
            children[int(fields[1])].append(int(path.parent.name))
    tree = [root]
    for pid in tree:
        tree += children[pid]
    return tree


def kill_tree(root: int) -> None:
    """Kills a process and all its descendants, the oldest first."""
    for pid in find_tree(root):
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def read_tree_cpu_s(root: int) -> float:
    """Gives the processor time of a process, its descendants, and those of them that ended."""
    ticks = 0
    for pid in find_tree(root):
        if fields := _read_stat(PROC / str(pid) / "stat"):
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / TICKS


def read_cpu_s(pid: int) -> float:
    """Gives the processor time of one process's threads, to the nanosecond."""
    files = PROC.glob(f"{pid}/task/*/schedstat")
    return sum(int(file.read_text().split()[0]) for file in files) / 1e9


def read_rss_mb(pid: int) -> float:
    """Gives what a process holds in RAM."""
    try:
        pages = int((PROC / str(pid) / "statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return pages * os.sysconf("SC_PAGESIZE") / 1024**2


def _read_stat(path: Path) -> list[str]:
    """Gives the fields after the command's name: state, parent, ..."""
    try:
        return path.read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
