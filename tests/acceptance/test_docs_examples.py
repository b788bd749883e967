"""Every YAML example of the docs is a pipeline that the loader takes, without a warning.

The blocks of one page are the files of one pipeline; a first line `# NAME.yaml` names a file.
Python blocks that begin with `# NAME.py` lie beside them. What the examples `use` and nobody
supplies is supplied here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from msgspec import defstruct

from toril import hookimpl
from toril.config.loader import load_pipeline
from toril.declarations.pipeline import PluginSettings
from toril.plugins.decorators import processor, source
from toril.plugins.descriptors import Processor
from toril.plugins.manager import PluginManager

ROOT = Path(__file__).parents[2]
ROOT_KEYS = {"version", "project", "redis", "plugins", "defaults"}
PAGES = [
    page
    for page in sorted([*(ROOT / "docs").glob("*.md"), *(ROOT / "plugins").rglob("*.md")])
    if "\n```yaml\n" in page.read_text()
]


def find_blocks(page: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)


def write_pipeline(page: Path, root: Path) -> None:
    text = page.read_text(encoding="utf-8")
    (root / "toril.yaml").write_text("version: 1\n")
    for number, block in enumerate(find_blocks(text, "yaml"), 1):
        named = re.match(r"# (\S+\.yaml)\n", block)
        name = named[1] if named else f"block-{number}.yaml"
        if ROOT_KEYS.isdisjoint(yaml.safe_load(block)):
            (root / name).write_text(block)
        else:
            (root / "toril.yaml").write_text(
                block if "version:" in block else "version: 1\n" + block
            )
    for block in find_blocks(text, "python"):
        if named := re.match(r"# (\S+\.py)\n", block):
            (root / named[1]).write_text(block)


def load_plugins(root: Path) -> PluginManager:
    """Loads the page's own plugins, and one that supplies what they do not."""
    top = yaml.safe_load((root / "toril.yaml").read_text())
    paths = [root / path for path in top.get("plugins", {}).get("paths", ())]
    settings = PluginSettings(paths=tuple(path for path in paths if path.exists()))
    own = PluginManager.load(settings)
    supplied = [
        make_processor(name, parameters)
        for name, parameters in find_used(root).items()
        if name not in own.processors
    ]
    sources = [source(name)(list) for name in find_sources(root) if name not in own.sources]
    plugin = SimpleNamespace(
        toril_processors=hookimpl(lambda: supplied), toril_sources=hookimpl(lambda: sources)
    )
    return PluginManager.load(settings, extra={"supplied": plugin})


def find_used(root: Path) -> dict[str, Mapping[str, Any]]:
    """Gives the processors that jobs use, and the parameters they are given."""
    files = [yaml.safe_load(file.read_text()) or {} for file in sorted(root.glob("*.yaml"))]
    jobs = [job for file in files for job in file.get("jobs", {}).values()]
    return {job["use"]: job.get("with", {}) for job in jobs if "use" in job}


def find_sources(root: Path) -> set[str]:
    """Gives the sources that schedules take items from."""
    files = [yaml.safe_load(file.read_text()) or {} for file in sorted(root.glob("*.yaml"))]
    schedules = [one for file in files for one in file.get("schedules", {}).values()]
    return {one["foreach"] for one in schedules if "foreach" in one}


def make_processor(name: str, parameters: Mapping[str, Any]) -> Processor:
    params = defstruct("Params", [(key, Any, None) for key in parameters]) if parameters else None
    return processor(name, params=params)(lambda *_: None)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_the_examples_of_a_page_have_no_problems(page: Path, tmp_path: Path) -> None:
    write_pipeline(page, tmp_path)

    loaded = load_pipeline(tmp_path, plugins=load_plugins(tmp_path), environ={})

    assert [str(problem) for problem in loaded.problems] == []
