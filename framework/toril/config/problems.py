"""A problem: what is wrong at a place in the YAML, as a value; and the report that gathers them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

from toril.config.codes import CODES
from toril.config.excerpt import format_excerpt, make_printable
from toril.config.yaml_nodes import START, Span

Severity = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Source:
    """A file that was read: the name it is shown by, and its text."""

    file: str
    text: str = ""

    def line(self, number: int) -> str:
        """Gives a line's text, counted from 0; empty past the end."""
        return self._lines[number].rstrip("\r") if number < len(self._lines) else ""

    @cached_property
    def _lines(self) -> list[str]:
        return self.text.split("\n")


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """One thing that is wrong; lines and columns count from 1."""

    file: str
    line: int
    column: int
    code: str
    severity: Severity = "error"
    message: str
    hint: str | None = None
    #: The line's text, and how many of its characters are meant.
    excerpt: str = ""
    width: int = 1

    def __str__(self) -> str:
        """Writes the problem as `file:line:column CODE message` with its excerpt below."""
        return self.format()

    def format(self, columns: int | None = None) -> str:
        """Writes the problem; its excerpt fits a terminal of so many columns."""
        kind = "warning: " if self.severity == "warning" else ""
        place = f"{self.file}:{self.line}:{self.column}"
        head = make_printable(f"{place} {self.code} {kind}{self.message}")
        if self.excerpt.strip():
            return head + "\n" + format_excerpt(self, columns)
        return f"{head}\n      hint: {self.hint}" if self.hint else head

    def as_json(self) -> dict[str, Any]:
        """Gives the shape that `toril check --format json` prints."""
        return {
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "code": self.code,
            "severity": self.severity,
            "message": self.message,
            "hint": self.hint,
        }


class Report:
    """Gathers the problems of one loading."""

    def __init__(self) -> None:
        self._problems: dict[tuple[str, int, int, str, str], Problem] = {}

    def add(
        self,
        code: str,
        source: Source,
        span: Span | None,
        message: str,
        *,
        hint: str | None = None,
    ) -> None:
        """Adds a problem at a place; the same one twice, through an alias, counts once."""
        line, column, width = span or START
        key = (source.file, line, column, code, message)
        self._problems[key] = Problem(
            file=source.file,
            line=line + 1,
            column=column + 1,
            code=code,
            severity=CODES[code].severity,
            message=message,
            hint=hint,
            excerpt=source.line(line),
            width=max(width, 1),
        )

    @property
    def has_errors(self) -> bool:
        """Whether anything keeps the configuration from being used."""
        return any(problem.severity == "error" for problem in self._problems.values())

    def sorted(self) -> tuple[Problem, ...]:
        """Gives the problems in order of their places."""
        return tuple(self._problems[key] for key in sorted(self._problems))
