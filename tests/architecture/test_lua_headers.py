"""Each Lua script says in its header what it takes and does, and the body agrees."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from toril.runtime import own_fields
from toril.runtime.scripts import INCLUDE, LUA_ROOT, list_scripts, load_script

PARTS = sorted(path.stem for path in (LUA_ROOT / "lib").glob("*.lua"))
HEADER = re.compile(r"\A--\[\[\n(?P<header>.*?)\n\]\]\n(?P<body>.*)\Z", re.DOTALL)
#: What Lua and Redis bring.
GLOBALS = {
    "call", "concat", "decode", "find", "floor", "format", "function", "if", "insert", "ipairs",
    "match", "max", "min", "pack", "pairs", "pcall", "remove", "sub", "tonumber", "tostring",
    "type", "unpack", "and", "or", "not", "return", "abs", "ceil", "sort", "gsub", "visit",
    "elseif", "while", "until", "encode", "error_reply", "status_reply", "rep", "gmatch", "select",
    "may_go", "setmetatable",
}  # fmt: skip


def split(name: str) -> tuple[str, str]:
    parts = HEADER.match((LUA_ROOT / f"{name}.lua").read_text())
    assert parts, "expected a header, --[[ ... ]], on top"
    return parts["header"], parts["body"]


@pytest.mark.parametrize("name", list_scripts())
def test_a_header_has_all_its_parts(name: str) -> None:
    header, _ = split(name)
    lines = header.splitlines()

    assert re.match(r"  [A-Z].*", lines[0]), "expected a sentence first"
    assert any(line.startswith("  BullMQ: ") for line in lines)
    assert "\n\n  KEYS" in header
    assert "\n  Returns " in header
    assert "\n  Events: " in header


@pytest.mark.parametrize("name", list_scripts())
@pytest.mark.parametrize("table", ["KEYS", "ARGV"])
def test_a_header_lists_what_the_body_takes(name: str, table: str) -> None:
    header, body = split(name)
    listed = set(re.findall(rf"^  {table}\[(\w+)\]", header, re.MULTILINE))
    used = set(re.findall(rf"{table}\[(\d+)\]", body))
    is_list = "n" in listed or re.search(rf"^  {table},", header, re.MULTILINE)

    if is_list:
        assert re.search(rf"\b{table}\b(?!\[\d)", body)
    assert used == listed - {"n"}


@pytest.mark.parametrize("name", list_scripts())
def test_the_body_calls_an_argument_by_its_name(name: str) -> None:
    header, body = split(name)

    for number, word in re.findall(r"^  ARGV\[(\d+)\] (\w+)", header, re.MULTILINE):
        line = next(line for line in body.splitlines() if f"ARGV[{number}]" in line)
        if f".. ARGV[{number}]" in line:
            continue  # it becomes part of a key at once
        assert re.search(rf"\b{word}\b", line), f"expected ARGV[{number}] to become {word!r}"


@pytest.mark.parametrize("name", list_scripts())
def test_a_header_lists_the_events_of_the_body(name: str) -> None:
    header, body = split(name)
    listed = header.split("\n  Events: ")[1]

    for event in re.findall(r"emit\(\w+, '([a-z-]+)'", body):
        assert event in listed


def list_unknown(source: str) -> set[str]:
    source = re.sub(r"--\[\[.*?\]\]", "", source, flags=re.DOTALL)
    code = re.sub(r"--[^\n]*|'[^'\n]*'", "", source)
    bound = set(re.findall(r"\blocal (?:function )?(\w+)", code))
    return set(re.findall(r"(?<![\w.])(\w+)\(", code)) - bound - GLOBALS


@pytest.mark.parametrize("name", [*list_scripts(), *(f"lib/{part}" for part in PARTS)])
def test_what_a_file_calls_is_there_when_it_is_loaded_alone(name: str) -> None:
    """A shared part that relies on another one's includes breaks when that one changes."""
    assert list_unknown(load_script(name).source.decode()) == set()


def read_outside_blocks(name: str, seen: set[str]) -> str:
    """Gives a file with its includes, without the blocks that have includes of their own."""
    seen.add(name)
    text = (LUA_ROOT / f"{name}.lua").read_text()
    while block := re.search(rf"^( +){INCLUDE}", text, re.MULTILINE):
        lines = rf"(?:^(?:{block[1]}.*)?\n)"
        text = re.sub(rf"{lines}*^{block[1]}{INCLUDE}.*\n{lines}*", "", text, flags=re.MULTILINE)
    parts = re.findall(rf"^{INCLUDE}(\S+)$", text, re.MULTILINE)
    return "\n".join([text, *(read_outside_blocks(p, seen) for p in parts if p not in seen)])


@pytest.mark.parametrize("name", [*list_scripts(), *(f"lib/{part}" for part in PARTS)])
def test_what_a_block_includes_is_called_in_that_block_only(name: str) -> None:
    assert list_unknown(read_outside_blocks(name, set())) == set()


@pytest.mark.parametrize("part", PARTS)
def test_a_shared_part_is_used(part: str) -> None:
    files = LUA_ROOT.rglob("*.lua")

    assert any(f"{INCLUDE}lib/{part}\n" in path.read_text() for path in files)


@pytest.mark.parametrize("part", PARTS)
def test_a_shared_part_is_short(part: str) -> None:
    assert len((LUA_ROOT / "lib" / f"{part}.lua").read_text().splitlines()) <= 80


@pytest.mark.parametrize("path", sorted(LUA_ROOT.rglob("*.lua")), ids=lambda path: path.stem)
def test_fields_of_our_own_are_listed(path: Path) -> None:
    listed = {value for value in vars(own_fields).values() if str(value).startswith("t:")}

    assert set(re.findall(r"'(t:\w+)'", path.read_text())) <= listed


@pytest.mark.parametrize("path", sorted(LUA_ROOT.rglob("*.lua")), ids=lambda path: path.stem)
def test_numbers_are_never_joined_to_text(path: Path) -> None:
    """Lua writes a joined number with 14 digits, too few for a score."""
    source = path.read_text()

    assert not re.search(r"\.\.\s*(now_ms|due_ms|score|priority|delay)\b", source)
    assert "tostring(" not in source
