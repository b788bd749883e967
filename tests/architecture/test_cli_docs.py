"""docs/cli.md names every command, and under each every option and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from toril.cli.main import main

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text()
#: Said once for all commands, on top of the page.
EVERYWHERE = {"-C", "--help", "-h"}


def walk(group: click.Group, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from walk(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


COMMANDS = dict(walk(main))
SECTIONS = dict(re.findall(r"^### (.+?)\n(.*?)(?=^##|\Z)", PAGE, re.M | re.S))


def test_every_command_has_its_section_and_no_other_is_there() -> None:
    assert sorted(SECTIONS) == sorted(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_lists_the_commands_options_and_no_other(name: str) -> None:
    options = {
        option
        for parameter in COMMANDS[name].params
        if isinstance(parameter, click.Option) and not parameter.hidden
        for option in parameter.opts
    }

    listed = set(re.findall(r"^- `(--?[a-zA-Z-]+)", SECTIONS[name], re.M))

    assert listed == options - EVERYWHERE


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_begins_with_the_commands_usage(name: str) -> None:
    command = COMMANDS[name]
    arguments = [p.metavar for p in command.params if isinstance(p, click.Argument) and p.metavar]
    usage = " ".join(["toril", name, *arguments])

    assert SECTIONS[name].lstrip().startswith(f"`{usage}`")
