"""Loads a configuration directory: from files to a pipeline, or to everything wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from toril.config.assemble import assemble_pipeline
from toril.config.context import Context
from toril.config.document import Document, read_document
from toril.config.entries import gather_entries
from toril.config.files import ROOT_FILE, find_files, read_source
from toril.config.local_plugins import load_plugins
from toril.config.problems import Problem, Report, Source
from toril.config.references import check_references
from toril.config.schema import check_shape
from toril.config.yaml_nodes import MapNode
from toril.config.yaml_reader import read_yaml
from toril.declarations.pipeline import Pipeline
from toril.errors import ConfigurationError
from toril.plugins.manager import PluginManager


@dataclass(frozen=True, kw_only=True, slots=True)
class Loaded:
    """What loading gave: a pipeline, unless there are errors among the problems."""

    pipeline: Pipeline | None
    problems: tuple[Problem, ...]
    #: None if the configuration does not say clearly which plugins to load.
    plugins: PluginManager | None

    def require_pipeline(self) -> Pipeline:
        """Gives the pipeline; raises ConfigurationError with all problems if there is none."""
        if self.pipeline is None:
            errors = sum(problem.severity == "error" for problem in self.problems)
            noun = "problem" if errors == 1 else "problems"
            message = f"the configuration has {errors} {noun}"
            raise ConfigurationError(message, problems=self.problems)
        return self.pipeline


def load_pipeline(
    root: Path,
    *,
    plugins: PluginManager | None = None,
    environ: Mapping[str, str] = os.environ,
) -> Loaded:
    """Reads, checks and resolves the directory `root`.

    `plugins` stands in for those that `toril.yaml` names. Every problem of every file is reported;
    never raises for what stands in the files.
    """
    with _without_collecting():
        return _load(root, plugins, environ)


@contextmanager
def _without_collecting() -> Iterator[None]:
    """Keeps the garbage collector from searching again and again through what loading builds."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _load(root: Path, plugins: PluginManager | None, environ: Mapping[str, str]) -> Loaded:
    report = Report()
    if not _is_pipeline(root, report):
        return Loaded(pipeline=None, problems=report.sorted(), plugins=plugins)
    top = _read(root / ROOT_FILE, report, environ, "toril")
    rest = [_read(path, report, environ, "pipeline") for path in find_files(root, report)]
    documents = [document for document in (top, *rest) if document is not None]
    entries = gather_entries(documents, is_complete=len(documents) == 1 + len(rest))
    if top is None:
        top = Document(source=Source(file=str(root / ROOT_FILE)), root=MapNode(0, 0), report=report)
    elif plugins is None:
        plugins = load_plugins(top, root)
    context = Context(root=root, top=top, entries=entries, plugins=plugins)
    check_references(context, documents)
    pipeline = None if report.has_errors else assemble_pipeline(context)
    return Loaded(pipeline=pipeline, problems=report.sorted(), plugins=plugins)


def _is_pipeline(root: Path, report: Report) -> bool:
    if (root / ROOT_FILE).is_file():
        return True
    source = Source(file=str(root))
    if not root.is_dir():
        report.add("T100", source, None, "no such directory")
    elif (root / "toril.yml").is_file():
        hint = "rename toril.yml to toril.yaml"
        report.add("T100", source, None, f"no {ROOT_FILE} in this directory", hint=hint)
    else:
        hint = f"`toril init {root}` writes a small pipeline"
        report.add("T100", source, None, f"no {ROOT_FILE} in this directory", hint=hint)
    return False


def _read(
    path: Path, report: Report, environ: Mapping[str, str], kind: Literal["toril", "pipeline"]
) -> Document | None:
    source = read_source(path, report)
    root = read_yaml(source, report) if source is not None else None
    if source is None or root is None:
        return None
    document = read_document(source, root, report, environ)
    check_shape(document, kind)
    return document
