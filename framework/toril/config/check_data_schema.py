"""Checks that a `data_schema`, or a flow's `inputs`, is itself a JSON Schema that can be used."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from toril.config.context import Context
from toril.config.document import Document
from toril.config.document import Path as Keys
from toril.config.entries import Entry
from toril.config.files import read_source
from toril.config.json_schemas import find_unknown_keywords, find_unusable, metaschema
from toril.config.problems import Source
from toril.config.schema import find_errors
from toril.config.schema_words import describe_errors
from toril.config.yaml_nodes import Node, Span, find_key_span, find_span
from toril.config.yaml_reader import compose_quietly


def check_data_schema(context: Context, job: Entry) -> None:
    """Checks a job's `data_schema` and keeps it, if need be from its file."""
    schema = job.value["data_schema"]
    keys = (*job.path, "data_schema")
    if isinstance(schema, dict) and "file" in schema:
        _check_file(context, job, keys, schema)
    elif check_inline_schema(job.document, keys, schema):
        context.data_schemas[job.name] = schema


def check_inline_schema(document: Document, keys: Keys, schema: Any) -> bool:
    """Checks a schema that stands in the YAML; problems point into it."""
    misfits = list(describe_errors(find_errors(document, keys, schema, metaschema())))
    misfits = misfits or list(find_unusable(schema))
    for misfit in misfits:
        path = (*keys, *misfit.path)
        sentence = misfit.sentence((), document.variables.get(path))
        document.add("T116", path, sentence, hint=misfit.hint, at_key=misfit.at_key)
    for misfit in () if misfits else find_unknown_keywords(schema):
        path = (*keys, *misfit.path)
        document.add(misfit.code, path, misfit.sentence(), hint=misfit.hint, at_key=True)
    return not misfits


def _check_file(context: Context, job: Entry, keys: Keys, said: dict[str, Any]) -> None:
    document, report = job.document, job.document.report
    if not isinstance(said["file"], str) or len(said) > 1:
        message = "expected {file: path} alone, or a JSON Schema"
        document.add("T103", (*keys, "file"), message, at_key=True)
        return
    path = _find_file(context, job, keys, said["file"])
    source = read_source(path, report) if path is not None else None
    if source is None:
        return
    try:
        schema = json.loads(source.text)
    except ValueError as error:
        _report_not_json(document, source, error)
        return
    misfits = list(describe_errors(metaschema().iter_errors(schema))) or list(find_unusable(schema))
    unknown = [] if misfits else list(find_unknown_keywords(schema))
    root = compose_quietly(source) if misfits or unknown else None
    for misfit in (*misfits, *unknown):
        span = _span(root, misfit.path, misfit.at_key)
        code = "T212" if misfit.code == "T212" else "T116"
        report.add(code, source, span, misfit.sentence(), hint=misfit.hint)
    if not misfits:
        context.data_schemas[job.name] = schema


def _find_file(context: Context, job: Entry, keys: Keys, said: str) -> Path | None:
    root = context.root.resolve()
    full = (root / said).resolve()
    reason = None
    if not full.is_relative_to(root):
        reason = "lies outside the configuration directory"
    elif full.suffix != ".json":
        reason = "is not a .json file"
    elif not full.is_file():
        reason = "does not exist"
    if reason is None:
        return context.root / full.relative_to(root)
    job.document.add("T116", (*keys, "file"), f"schema file {said!r} {reason}")
    return None


def _report_not_json(document: Document, source: Source, error: ValueError) -> None:
    span = Span(0, 0)
    message = str(error)
    if isinstance(error, json.JSONDecodeError):
        span = Span(error.lineno - 1, error.colno - 1)
        message = error.msg
    document.report.add("T116", source, span, f"not JSON: {message}")


def _span(root: Node | None, path: Keys, at_key: bool) -> Span | None:
    if root is None:
        return None
    return find_key_span(root, path) if at_key else find_span(root, path)
