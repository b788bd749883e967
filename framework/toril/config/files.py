"""Finds the files of a configuration directory, and what in it cannot be used."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from toril.config.problems import Report, Source
from toril.config.yaml_reader import MAX_FILE_BYTES

ROOT_FILE = "toril.yaml"
_SUFFIXES = (".yaml", ".yml")
_TEST_SUFFIXES = (".test.yaml", ".test.yml")
#: A folder directly below the root that later versions merge on top.
_OVERLAYS = "overlays"


@dataclass(kw_only=True, slots=True)
class _Search:
    root: Path
    #: The root with links resolved: nothing outside of it is read.
    real_root: Path
    report: Report
    #: Real paths that were seen, so that links make no circle and no file counts twice.
    seen: set[Path] = field(default_factory=set)


def find_files(root: Path, report: Report) -> list[Path]:
    """Gives the YAML files below the root but `toril.yaml`, in order of their paths."""
    search = _Search(root=root, real_root=root.resolve(), report=report)
    search.seen = {search.real_root, search.real_root / ROOT_FILE}
    return sorted(_search_folder(search, root))


def read_source(path: Path, report: Report) -> Source | None:
    """Reads a file as UTF-8 text within its bounds; None if it cannot be."""
    source = Source(file=str(path))
    try:
        with path.open("rb") as file:
            content = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        report.add("T112", source, None, f"the file cannot be read: {error.strerror}")
        return None
    if len(content) > MAX_FILE_BYTES:
        message = f"the file is larger than {MAX_FILE_BYTES:,} bytes"
        report.add("T109", source, None, message, hint="split it into several files")
        return None
    try:
        return Source(file=source.file, text=content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        message = f"expected UTF-8 text, got byte 0x{content[error.start]:02x} in line {line}"
        report.add("T112", source, None, message, hint="save the file as UTF-8")
        return None


def _search_folder(search: _Search, folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: (entry.is_symlink(), entry.name))
    except OSError as error:
        message = f"the folder cannot be read: {error.strerror}"
        search.report.add("T112", Source(file=str(folder)), None, message)
        return
    for entry in entries:
        path = folder / entry.name
        if entry.name.startswith(".") or not _is_of_interest(entry, path):
            continue
        if entry.is_symlink() and not _stays_inside(search, path):
            continue
        if path.is_dir():
            yield from _enter_folder(search, path)
        elif path.is_file() and _is_new(search, path) and not _is_test(search, path):
            yield path


def _is_of_interest(entry: os.DirEntry[str], path: Path) -> bool:
    is_yaml = entry.name.endswith(_SUFFIXES)
    if entry.is_symlink():
        # Where it leads is looked at next; a link that leads nowhere is no folder.
        return is_yaml or path.is_dir()
    return entry.is_dir() or (is_yaml and entry.is_file())


def _enter_folder(search: _Search, folder: Path) -> Iterator[Path]:
    if not _is_new(search, folder):
        return
    found = _search_folder(search, folder)
    if folder.parent != search.root or folder.name != _OVERLAYS:
        yield from found
    elif next(found, None) is not None:
        message = "'overlays' is not available in this version of Toril"
        search.report.add("T111", Source(file=str(folder)), None, message)


def _is_test(search: _Search, path: Path) -> bool:
    if not path.name.endswith(_TEST_SUFFIXES):
        return False
    message = "'*.test.yaml' is not available in this version of Toril"
    search.report.add("T111", Source(file=str(path)), None, message)
    return True


def _is_new(search: _Search, path: Path) -> bool:
    real = path.resolve()
    if real in search.seen:
        return False
    search.seen.add(real)
    return True


def _stays_inside(search: _Search, path: Path) -> bool:
    source = Source(file=str(path))
    try:
        real = path.resolve(strict=True)
    except (OSError, RuntimeError):
        search.report.add("T112", source, None, "the symbolic link leads nowhere")
        return False
    if real.is_relative_to(search.real_root):
        return True
    hint = "copy what it points at into the directory"
    message = "the symbolic link leads out of the configuration directory"
    search.report.add("T113", source, None, message, hint=hint)
    return False
