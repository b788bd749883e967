"""Finding the files of a directory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from toril.config.files import find_files, read_source
from toril.config.problems import Report


def find(root: Path) -> tuple[list[str], list[str]]:
    """Gives what is found, relative to the root, and the problems as `file CODE`."""
    report = Report()
    found = [path.relative_to(root).as_posix() for path in find_files(root, report)]
    shown = [f"{Path(p.file).relative_to(root).as_posix()} {p.code}" for p in report.sorted()]
    return found, shown


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("")


def test_yaml_files_are_found_in_all_folders_but_hidden_ones(tmp_path: Path) -> None:
    write(tmp_path, "toril.yaml", "b.yaml", "a/c.yml", "a/b/d.yaml", "a/e.json", "a/toril.yaml")
    write(tmp_path, ".toril/x.yaml", ".hidden/x.yaml", "a/.x.yaml", "a/yaml", "a/x.yaml.bak")

    assert find(tmp_path) == (["a/b/d.yaml", "a/c.yml", "a/toril.yaml", "b.yaml"], [])


def test_overlays_and_pipeline_tests_are_of_a_later_version(tmp_path: Path) -> None:
    write(tmp_path, "overlays/prod/a.yaml", "a.test.yaml", "b/overlays/c.yaml", "b/a.test.yml")

    assert find(tmp_path) == (
        ["b/overlays/c.yaml"],
        ["a.test.yaml T111", "b/a.test.yml T111", "overlays T111"],
    )


def test_an_overlays_folder_without_yaml_does_not_matter(tmp_path: Path) -> None:
    write(tmp_path, "overlays/README.md", "a.yaml")

    assert find(tmp_path) == (["a.yaml"], [])


def test_a_link_inside_the_directory_is_followed_once(tmp_path: Path) -> None:
    write(tmp_path, "..data/a.yaml", "b.yaml", "folder/c.yaml")
    (tmp_path / "a.yaml").symlink_to("..data/a.yaml")
    (tmp_path / "also-b.yaml").symlink_to("b.yaml")
    (tmp_path / "also-folder").symlink_to("folder")
    (tmp_path / "folder/circle").symlink_to(tmp_path)

    assert find(tmp_path) == (["a.yaml", "b.yaml", "folder/c.yaml"], [])


def test_links_out_of_the_directory_and_to_nowhere_are_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(tmp_path, "root/a.yaml", "out.yaml", "folder/b.yaml")
    (root / "out.yaml").symlink_to(tmp_path / "out.yaml")
    (root / "folder").symlink_to(tmp_path / "folder")
    (root / "lost.yaml").symlink_to("lost")
    (root / "self.yaml").symlink_to("self.yaml")

    assert find(root) == (
        ["a.yaml"],
        ["folder T113", "lost.yaml T112", "out.yaml T113", "self.yaml T112"],
    )


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    write(tmp_path, "real/a.yaml")
    (tmp_path / "link").symlink_to("real")

    assert find(tmp_path / "link") == (["a.yaml"], [])


def test_what_is_no_file_is_passed_over(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.yaml")
    write(tmp_path, "folder.yaml/a.yaml")

    assert find(tmp_path) == (["folder.yaml/a.yaml"], [])


def test_a_byte_order_mark_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")

    source = read_source(path, Report())

    assert source is not None
    assert source.text == "a: 1"


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    report = Report()

    assert read_source(tmp_path, report) is None
    assert [p.message for p in report.sorted()] == ["the file cannot be read: Is a directory"]


def test_a_folder_that_cannot_be_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, "a.yaml", "closed/b.yaml")
    scan = os.scandir

    def scan_what_is_open(path: Path) -> object:
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", scan_what_is_open)

    assert find(tmp_path) == (["a.yaml"], ["closed T112"])
