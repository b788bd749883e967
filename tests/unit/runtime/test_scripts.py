"""Tests of runtime/scripts.py."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from toril.runtime import scripts
from toril.runtime.call import Call
from toril.runtime.resp import pack_command
from toril.runtime.scripts import (
    build_command,
    list_scripts,
    load_script,
    pack_call,
    pack_loading_call,
)


@pytest.fixture
def lua_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of scripts of the test's own."""
    (tmp_path / "lib").mkdir()
    monkeypatch.setattr(scripts, "LUA_ROOT", tmp_path)
    monkeypatch.setattr(scripts, "load_script", load_script.__wrapped__)
    return tmp_path


def test_a_part_comes_in_once_where_it_is_first_named(lua_root: Path) -> None:
    (lua_root / "lib" / "one.lua").write_text("one\n")
    (lua_root / "lib" / "two.lua").write_text("--- include lib/one\ntwo\n")
    (lua_root / "both.lua").write_text("top\n--- include lib/two\n--- include lib/one\nend\n")

    assert scripts.load_script("both").source == b"top\none\ntwo\nend"


def test_a_part_that_names_itself_comes_in_once(lua_root: Path) -> None:
    (lua_root / "lib" / "self.lua").write_text("--- include lib/self\nself\n")
    (lua_root / "main.lua").write_text("--- include lib/self\n")

    assert scripts.load_script("main").source == b"self"


def test_a_part_named_in_a_function_is_known_in_that_function_only(lua_root: Path) -> None:
    (lua_root / "lib" / "all.lua").write_text("all\n")
    (lua_root / "lib" / "one.lua").write_text("--- include lib/all\none\n")
    (lua_root / "lib" / "two.lua").write_text("--- include lib/one\ntwo\n")
    (lua_root / "main.lua").write_text(
        "--- include lib/all\nf\n  --- include lib/one\n  --- include lib/two\nend\n"
        "g\n  --- include lib/two\nend\n"
    )

    assert scripts.load_script("main").source == b"all\nf\none\ntwo\nend\ng\none\ntwo\nend"


def test_a_part_named_in_a_block_is_not_known_in_the_next_one(lua_root: Path) -> None:
    (lua_root / "lib" / "one.lua").write_text("one\n")
    (lua_root / "lib" / "two.lua").write_text("--- include lib/one\ntwo\n")
    (lua_root / "main.lua").write_text(
        "f\n  if\n    --- include lib/one\n\n    --- include lib/two\n  else\n"
        "    --- include lib/two\n  end\n  --- include lib/one\n"
        "  if\n    --- include lib/two\n  end\nend\n"
    )

    lines = "f\n  if\none\n\ntwo\n  else\none\ntwo\n  end\none\n  if\ntwo\n  end\nend"
    assert scripts.load_script("main").source == lines.encode()


def test_a_script_is_called_by_its_hash_or_brought_along(lua_root: Path) -> None:
    (lua_root / "x.lua").write_text("return 1")
    call = Call("x", ("key",), ("arg", 2), int)

    sha = hashlib.sha1(b"return 1").hexdigest()
    assert build_command(call) == ("EVALSHA", sha, 1, "key", "arg", 2)
    assert pack_call(call) == pack_command(("EVALSHA", sha, 1, "key", "arg", 2))
    assert pack_loading_call(call) == pack_command(("EVAL", b"return 1", 1, "key", "arg", 2))


def test_a_plain_command_is_its_arguments() -> None:
    call = Call(None, (), ("PING",), str)

    assert build_command(call) == ("PING",)
    assert pack_call(call) == pack_command(("PING",))


def test_the_parts_are_no_scripts() -> None:
    assert "settle_and_claim" in list_scripts()
    assert not {"mark", "lib/mark"} & set(list_scripts())


@pytest.mark.parametrize("name", list_scripts())
def test_a_script_has_no_include_left(name: str) -> None:
    assert b"--- include" not in load_script(name).source
