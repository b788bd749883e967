"""The Lua scripts: loading, includes, and the commands that run them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

from toril.runtime.call import Arg, Call
from toril.runtime.resp import pack_command, pack_parts

LUA_ROOT = Path(__file__).parent / "lua"

#: A line `--- include lib/NAME` brings lib/NAME.lua in, once, where it is first named. An indented
#: one stands in a function or a block, and what it brings is known to the end of that block: so
#: that a script makes those functions only when it needs them.
INCLUDE = "--- include "


@dataclass(frozen=True, slots=True)
class Script:
    """One transition, includes resolved."""

    name: str
    source: bytes
    sha: str


@cache
def load_script(name: str) -> Script:
    """Reads `lua/NAME.lua` with everything it includes."""
    source = "\n".join(_resolve(name, seen=set())).encode()
    return Script(name, source, hashlib.sha1(source, usedforsecurity=False).hexdigest())


def list_scripts() -> list[str]:
    """Names every script, without the shared parts."""
    return sorted(path.stem for path in LUA_ROOT.glob("*.lua"))


def _resolve(name: str, *, seen: set[str]) -> list[str]:
    seen.add(name)
    lines: list[str] = []
    blocks = [(0, seen)]
    for line in (LUA_ROOT / f"{name}.lua").read_text().splitlines():
        text = line.lstrip()
        indent = len(line) - len(text)
        while text and indent < blocks[-1][0]:
            blocks.pop()
        if not text.startswith(INCLUDE):
            lines.append(line)
            continue
        if indent > blocks[-1][0]:
            blocks.append((indent, blocks[-1][1].copy()))
        known = blocks[-1][1]
        if (part := text.removeprefix(INCLUDE).strip()) not in known:
            lines.extend(_resolve(part, seen=known))
    return lines


def build_command(call: Call[Any]) -> tuple[Arg, ...]:
    """The command of a call; a script is named by its hash, which the server may not know yet."""
    if call.script is None:
        return call.args
    return (*_start_command(call.script, call.keys), *call.args)


def pack_call(call: Call[Any]) -> bytes:
    """The command of a call as the server reads it."""
    if call.script is None:
        return pack_command(call.args)
    return _pack_start(call.script, call.keys, len(call.args)) + pack_parts(call.args)


def pack_loading_call(call: Call[Any]) -> bytes:
    """The command that brings the script along, so that a flush in between cannot lose it."""
    assert call.script is not None
    source = load_script(call.script).source
    return pack_command(("EVAL", source, len(call.keys), *call.keys, *call.args))


def _start_command(script: str, keys: tuple[str, ...]) -> tuple[Arg, ...]:
    return ("EVALSHA", load_script(script).sha, len(keys), *keys)


@lru_cache(maxsize=1024)
def _pack_start(script: str, keys: tuple[str, ...], arguments: int) -> bytes:
    """What all calls of a script for one queue begin with: to pack it takes as long as the rest."""
    start = _start_command(script, keys)
    return b"*%d\r\n" % (len(start) + arguments) + pack_parts(start)
