"""What `with:` of a command may say."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from msgspec import Meta, Struct

from toril import parse_duration_ms, parse_size
from toril_shell.arguments import find_names

Code = Annotated[int, Meta(ge=0, le=255)]


class RunParams(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Parameters of `shell.run`."""

    #: The program and its arguments; `{data.name}` in an argument is filled in from the job's data.
    command: Annotated[tuple[str, ...], Meta(min_length=1)]
    #: Variables of the environment, over those inherited.
    env: dict[str, str] = {}
    #: Which variables of the worker's environment the command is given.
    inherit_env: tuple[str, ...] = ("PATH", "HOME", "LANG", "TZ")
    #: The working folder, absolute; the worker's own if it is not given.
    cwd: str | None = None
    #: Writes the job's data as JSON to the command's standard input.
    send_data: bool = False
    #: How much of the end of standard output the result keeps.
    max_output: str = "64kb"
    #: How many lines of output the job's log is given.
    max_log_lines: Annotated[int, Meta(ge=0, le=100_000)] = 1000
    #: Exit codes that complete the job.
    ok_codes: tuple[Code, ...] = (0,)
    #: Exit codes after which no other attempt is made.
    unrecoverable_codes: tuple[Code, ...] = (126, 127)
    #: How long the command may take to end once it was told to.
    grace: str = "5s"

    def __post_init__(self) -> None:
        parse_duration_ms(self.grace)
        parse_size(self.max_output)
        if not self.command[0] or find_names(self.command[0]):
            raise ValueError("the program is written out: command[0] takes nothing from data")
        if any("\0" in part for part in (*self.command, *self.env, *self.env.values())):
            raise ValueError("no part of a command can hold a NUL character")
        if any(not name or "=" in name for name in self.env):
            raise ValueError("names of variables are not empty and hold no '='")
        if self.cwd is not None and not PurePath(self.cwd).is_absolute():
            raise ValueError(f"expected an absolute path as cwd, got {self.cwd!r}")
