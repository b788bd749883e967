from __future__ import annotations

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]
ARTIFACT = re.compile(
    r"(^|/)(__pycache__|node_modules|\.venv|\.toril|dist|build|\.[a-z_]+_cache|\.hypothesis)/"
    r"|\.(pyc|whl|aof|rdb|sock|pid|log|egg-info)$"
)
#: What ties a lock file to one place to download from.
HOST = re.compile(
    r"^--(extra-)?index-url|^--find-links|\"resolved\":|https?://\S+\.(whl|tgz|tar\.gz)"
)


def tracked() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def test_nothing_that_a_tool_made_is_tracked():
    assert [name for name in tracked() if ARTIFACT.search(name)] == []


def test_no_tracked_file_is_large():
    assert [name for name in tracked() if (ROOT / name).stat().st_size > 1_000_000] == []


def test_lock_files_name_no_host():
    locks = [name for name in tracked() if name.endswith(("requirements.txt", "package-lock.json"))]

    assert locks
    for name in locks:
        lines = (ROOT / name).read_text().splitlines()
        assert [line for line in lines if HOST.search(line)] == [], name


def test_every_requirement_is_pinned_with_hashes():
    for name in (name for name in tracked() if name.endswith("requirements.txt")):
        entries = re.split(r"\n(?=\S)", (ROOT / name).read_text())

        unpinned = [entry for entry in entries if not entry.startswith("#") and "==" not in entry]
        unhashed = [entry for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
        assert (unpinned, unhashed) == ([], []), name
