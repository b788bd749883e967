"""The command line's frame: lazy loading, help, mistyped commands, errors to exit codes."""

from __future__ import annotations

import subprocess
import sys

import click
import pytest
from click.testing import CliRunner

from toril import errors
from toril.cli.groups import LazyGroup
from toril.cli.main import COMMANDS, main

HEAVY = ("redis", "jsonschema", "yaml", "cel_expr_python", "pluggy", "rich", "asyncio", "msgspec")


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_help_and_version_import_nothing_heavy(option: str) -> None:
    program = (
        "import sys\n"
        "from toril.cli.main import main\n"
        f"main([{option!r}], standalone_mode=False)\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert done.stdout.splitlines()[-1] == "[]"


def test_the_table_tells_of_each_command_what_the_command_says_itself() -> None:
    context = click.Context(main)

    loaded = {name: main.get_command(context, name) for name in main.list_commands(context)}

    assert {name: command.short_help for name, command in loaded.items() if command} == {
        name: entry.help_line for name, entry in COMMANDS.items()
    }


def test_a_mistyped_command_gets_a_hint() -> None:
    result = CliRunner().invoke(main, ["stauts"])

    assert result.exit_code == 2
    assert "no command 'stauts'; did you mean 'status'?" in result.stderr


def test_a_mistyped_command_of_a_noun_gets_a_hint() -> None:
    result = CliRunner().invoke(main, ["job", "lisst"])

    assert result.exit_code == 2
    assert "no command 'lisst'; did you mean 'list'?" in result.stderr


def test_a_missing_directory_says_how_to_get_one(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    result = CliRunner().invoke(main, ["status"])

    assert result.exit_code == 2
    assert (
        "no directory 'pipelines'; give one with -C DIR,"
        " or write one with `toril init pipelines`" in result.stderr
    )


def test_a_given_directory_that_is_not_there_is_named(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)

    before = CliRunner().invoke(main, ["-C", "nowhere", "status"])
    after = CliRunner().invoke(main, ["status", "-C", "nowhere"])

    assert before.exit_code == after.exit_code == 2
    assert "no directory 'nowhere'\n" in before.stderr
    assert "no directory 'nowhere'\n" in after.stderr


@pytest.mark.parametrize(
    ("error", "exit_code", "line"),
    [
        (errors.TorilError("no"), 1, "error: no"),
        (errors.JobNotFound("no job 'x'"), 1, "error: no job 'x'"),
        (errors.InvalidData("not JSON"), 1, "error: not JSON"),
        (errors.UnknownName("no queue 'a'"), 2, "error: no queue 'a'"),
        (errors.RedisUnavailable("no Redis"), 3, "error: no Redis"),
        (errors.RedisMisconfigured("too old"), 3, "error: too old"),
        (errors.EmbeddedServerError("cannot start"), 3, "error: cannot start"),
        (
            errors.ConfigurationError("2 problems", problems=["one", "two"]),
            1,
            "error: 2 problems\none\ntwo",
        ),
    ],
)
def test_an_error_is_a_line_and_an_exit_code(
    error: errors.TorilError, exit_code: int, line: str
) -> None:
    def fail() -> None:
        raise error

    group = LazyGroup(entries={})
    group.get_command = lambda ctx, name: click.Command(name, callback=fail)  # type: ignore[method-assign]
    group.list_commands = lambda ctx: ["fail"]  # type: ignore[method-assign]

    result = CliRunner().invoke(group, ["fail"])

    assert result.exit_code == exit_code
    assert result.stderr == f"{line}\n"
    assert result.stdout == ""
