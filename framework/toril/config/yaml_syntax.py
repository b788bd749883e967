"""What to tell about text that is not YAML: the place, a sentence, the usual way out."""

from __future__ import annotations

from typing import NamedTuple

import yaml

from toril.config.yaml_nodes import START, Span


class SyntaxFault(NamedTuple):
    """Why the text cannot be read as YAML."""

    code: str
    span: Span
    message: str
    hint: str | None


#: libyaml's words -> ours, and what usually helps. The first that fits is taken.
_KNOWN = (
    (
        "mapping values are not allowed",
        "a second ': ' in one line",
        "quote the value if the ':' belongs to it; else start a new line",
    ),
    (
        "did not find expected alphabetic or numeric character",
        "a value that starts with '*' or '&' is read as an alias or anchor",
        'quote it, as in "*/5 * * * *"',
    ),
    ("did not find expected ',' or '}'", "'{' without its '}'", None),
    ("did not find expected ',' or ']'", "'[' without its ']'", None),
    ("could not find expected ':'", "a key without its ':'", "write `key: value`"),
    ("found unexpected end of stream", "a quoted value without its closing quote", None),
    (
        "did not find expected key",
        "a line that does not fit the ones before it",
        "check its indentation, or quote the value",
    ),
    ("did not find expected '-' indicator", "a line that does not fit the list before it", None),
    ("block sequence entries are not allowed", "a list item where none can stand", None),
    ("did not find expected node content", "expected a value, or the end of '{' or '['", None),
    (
        "found unknown escape character",
        "an escape that YAML does not know",
        "write \\\\ for one \\",
    ),
)


def explain_syntax_error(error: yaml.YAMLError, text: str) -> SyntaxFault:
    """Says where and why libyaml stopped."""
    if isinstance(error, yaml.reader.ReaderError):
        span = _span_at(text, error.position)
        return SyntaxFault("T101", span, f"a control character, U+{_code(error):04X}", None)
    mark = getattr(error, "problem_mark", None)
    span = Span(mark.line, mark.column) if mark else START
    line = _line(text, span.line)
    if "\t" in line[: len(line) - len(line.lstrip())] or line[span.column :].startswith("\t"):
        return explain_tab(Span(span.line, line.index("\t")))
    problem = str(getattr(error, "problem", None) or error)
    if "cannot start any token" in problem:
        message = f"a value cannot start with {line[span.column : span.column + 1]!r}"
        return SyntaxFault("T101", span, message, "quote the value")
    return _explain_known(error, problem, span, line)


def explain_tab(span: Span) -> SyntaxFault:
    """Says that a tab stands where only blanks may."""
    return SyntaxFault("T108", span, "a tab between values", "indent with blanks")


def _explain_known(error: yaml.YAMLError, problem: str, span: Span, line: str) -> SyntaxFault:
    opened = getattr(error, "context_mark", None)
    for words, message, hint in _KNOWN:
        if words not in problem:
            continue
        if "without its" in message and opened is not None:
            if "${" in line:
                hint = (
                    'quote it, as in "${{ inputs.x }}"' if "${{" in line else 'quote it: "${VAR}"'
                )
            span = Span(opened.line, opened.column)
        if "read as an alias" in message and span.column:
            # libyaml stops behind the character.
            span = Span(span.line, span.column - 1)
        return SyntaxFault("T101", span, f"not YAML: {message}", hint)
    return SyntaxFault("T101", span, f"not YAML: {problem}", None)


def _code(error: yaml.reader.ReaderError) -> int:
    return error.character if isinstance(error.character, int) else ord(error.character)


def _span_at(text: str, index: int) -> Span:
    before = text[:index]
    return Span(before.count("\n"), index - (before.rfind("\n") + 1))


def _line(text: str, number: int) -> str:
    lines = text.split("\n", number + 1)
    return lines[number] if number < len(lines) else ""
