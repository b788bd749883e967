"""The folder `.toril` of a configuration, where Toril keeps files of its own."""

from __future__ import annotations

from pathlib import Path


def make_own_folder(root: Path, name: str) -> Path:
    """Makes `<root>/.toril/NAME`, for this user only and out of git's sight; raises OSError."""
    own = root / ".toril"
    folder = own / name
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    ignore = own / ".gitignore"
    if not ignore.exists():
        ignore.write_text("*\n")
    return folder
