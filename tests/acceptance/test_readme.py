"""README.md and the docs tell the truth: their snippets run, their commands and links exist."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
PAGES = sorted(
    [ROOT / "README.md", ROOT / "pipelines" / "README.md", *(ROOT / "docs").glob("*.md")]
)
TORIL = Path(sys.executable).with_name("toril")
#: Without a Redis of this machine's, so that every pipeline uses its own.
ENVIRONMENT = {k: v for k, v in os.environ.items() if k != "REDIS_URL"} | {"NO_COLOR": "1"}


def run_toril(*arguments: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [TORIL, *arguments],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        timeout=60,
    )


@contextmanager
def running(pipeline: str, folder: Path) -> Iterator[None]:
    """Keeps `toril run` going beside the commands of a test."""
    with (folder / "run.log").open("w") as log:
        process = subprocess.Popen(
            [TORIL, "run", pipeline],
            cwd=folder,
            env=ENVIRONMENT,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield
        finally:
            process.terminate()
            code = process.wait(timeout=30)
    assert code == 0, (folder / "run.log").read_text()


def find_blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def write_shop(folder: Path) -> None:
    """Writes the pipeline of twenty lines: the blocks that begin with a file's name."""
    for block in find_blocks("yaml") + find_blocks("python"):
        if name := re.match(r"# (\S+\.(?:yaml|py))\n", block):
            (folder / name[1]).write_text(block)


def find_commands() -> list[list[str]]:
    """Every `toril ...` line of the shell blocks, and of inline code that names one."""
    lines = [line.partition("#")[0] for block in find_blocks("sh") for line in block.splitlines()]
    inline = [code for page in PAGES for code in re.findall(r"`(toril [^`]+)`", page.read_text())]
    return [shlex.split(line)[1:] for line in [*lines, *inline] if line.startswith("toril ")]


def test_the_pipeline_of_twenty_lines_has_no_problems(tmp_path: Path) -> None:
    write_shop(tmp_path)

    done = run_toril("check", ".", "--format", "json", folder=tmp_path)

    assert json.loads(done.stdout) == {"problems": []}
    assert len((tmp_path / "shop.yaml").read_text().splitlines()) <= 23


def test_the_pipeline_of_twenty_lines_runs(tmp_path: Path) -> None:
    write_shop(tmp_path)

    with running(".", tmp_path):
        done = run_toril(
            "-C", ".", "flow", "start", "evening", "--wait", "--format", "json", folder=tmp_path
        )

    run = json.loads(done.stdout)
    assert {name: step["result"] for name, step in run["steps"].items()} == {
        "orders": {"count": 42},
        "mail": {"sent": True},
    }


def test_the_application_adds_and_waits(tmp_path: Path) -> None:
    write_shop(tmp_path)

    with running(".", tmp_path):
        done = subprocess.run(
            [sys.executable, "add.py"],
            cwd=tmp_path,
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            timeout=60,
        )

    assert (done.stdout, done.stderr) == ("{'count': 42} {'sent': True}\n", "")


def test_the_shown_problems_are_what_check_prints(tmp_path: Path) -> None:
    write_shop(tmp_path)
    shop = tmp_path / "shop.yaml"
    text = shop.read_text().replace("attempts: 5", "atempts: 5")
    shop.write_text(text.replace("queue: mail\n", "queue: mails\n"))
    (shown,) = [block for block in find_blocks("") if "atempts" in block]

    done = run_toril("check", ".", folder=tmp_path)

    assert shown.strip() in done.stdout
    assert done.returncode == 1


def test_five_minutes_lead_to_an_own_job(tmp_path: Path) -> None:
    made = run_toril("init", "hello", folder=tmp_path)
    checked = run_toril("check", "hello", folder=tmp_path)

    with running("hello", tmp_path):
        added = run_toril("-C", "hello", "add", "greet", "name=Ada", "--wait", folder=tmp_path)
        listed = run_toril("-C", "hello", "job", "list", "greetings", "completed", folder=tmp_path)

    assert (made.returncode, checked.returncode, listed.returncode) == (0, 0, 0)
    assert json.loads(added.stdout) == {"text": "Hello, Ada!"}
    assert "greet" in listed.stdout


@pytest.mark.parametrize("words", find_commands(), ids=" ".join)
def test_every_command_exists_with_its_options(words: list[str], tmp_path: Path) -> None:
    if words[:1] == ["-C"]:
        words = words[2:]
    noun, *rest = words
    is_group = noun in ("job", "queue", "flow", "schedule", "plugin")
    command = [noun, *rest[:1]] if is_group else [noun]
    if noun.isupper():
        command = []

    done = run_toril(*command, "--help", folder=tmp_path)

    assert done.returncode == 0, done.stderr
    for option in (word for word in rest if word.startswith("--")):
        assert option in done.stdout


@pytest.mark.parametrize("target", ["run", "test"])
def test_the_two_commands_are_targets_of_the_makefile(target: str) -> None:
    assert f"make {target}" in README
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.MULTILINE)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page.read_text())
    local = [link for link in links if not link.startswith("https://")]

    assert [link for link in local if not (page.parent / link).exists()] == []
