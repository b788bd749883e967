"""`${{ }}`: CEL expressions inside JSON, parsed and type-checked when the YAML is loaded.

A string that is exactly one expression becomes its value and keeps the type; otherwise the values
are joined to text, strings as they are and everything else as JSON.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from toril.declarations.cel_members import MemberPath, read_member_paths
from toril.declarations.cel_messages import measure_word, word_failure, word_problem
from toril.errors import ExpressionError, TemplateError

if TYPE_CHECKING:
    # The package has stubs but no py.typed marker.
    from cel_expr_python import cel  # type: ignore[import-untyped]

#: What a step's data may name, with CEL's types.
STEP_VARIABLES: Mapping[str, str] = {"inputs": "map<string, dyn>", "needs": "map<string, dyn>"}

#: What the data of a step with `foreach`, or with `matrix`, may name.
FOREACH_VARIABLES: Mapping[str, str] = {**STEP_VARIABLES, "item": "dyn"}
MATRIX_VARIABLES: Mapping[str, str] = {**STEP_VARIABLES, "matrix": "map<string, dyn>"}

#: What the data, ids and priorities of a schedule's jobs may name.
SCHEDULE_VARIABLES: Mapping[str, str] = {"schedule": "map<string, dyn>", "item": "dyn"}

#: What an expression on a job's data may name.
DATA_VARIABLES: Mapping[str, str] = {"data": "dyn"}

#: A place in a JSON value: the keys and indexes that lead there.
Place = tuple[str | int, ...]

_OPEN, _CLOSE = "${{", "}}"
_string = re.compile(
    r"""[rRbB]*("{3}(?:\\.|[^\\])*?"{3}|'{3}(?:\\.|[^\\])*?'{3}"""
    r"""|"(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')""",
    re.DOTALL,
)


@dataclass(frozen=True, kw_only=True, slots=True)
class ExpressionProblem:
    """What is wrong with an expression, and where."""

    message: str
    place: Place
    #: In characters from the start of the string at `place`.
    offset: int
    length: int
    #: The string is a key of a mapping, not its value.
    in_key: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Reference:
    """A variable that a template reads, with the members that follow: needs, orders, result."""

    names: tuple[str, ...]
    place: Place
    offset: int
    length: int


@dataclass(frozen=True, kw_only=True, slots=True)
class UnknownMember:
    """A reference that leads nowhere: `name` is not among the `known`."""

    reference: Reference
    name: str
    known: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expression:
    """One `${{ }}`, ready to be evaluated."""

    source: str
    offset: int
    compiled: cel.Expression
    paths: tuple[MemberPath, ...]

    def evaluate(self, context: Mapping[str, Any]) -> Any:
        """Gives the value as JSON; raises ExpressionError."""
        if self.paths and self.paths[0].is_whole:
            return self._look_up(self.paths[0].names, context)
        try:
            result = self.compiled.eval(data=self._narrow(context))
            value = result.plain_value()
        except RuntimeError as error:
            raise self._failure(word_failure(str(error))) from error
        if result.type().name() == "ERROR":
            raise self._failure(word_failure(str(value)))
        return self._to_json(value)

    def _look_up(self, names: tuple[str, ...], context: Mapping[str, Any]) -> Any:
        """Reads a plain chain of members without CEL, which would narrow numbers to 64 bits."""
        value: Any = context
        for position, name in enumerate(names):
            if not isinstance(value, Mapping) or name not in value:
                raise self._failure(f"{'.'.join(names[:position]) or 'it'} has no member {name!r}")
            value = value[name]
        return value

    def _narrow(self, context: Mapping[str, Any]) -> dict[str, Any]:
        """Keeps what is read: CEL fails on numbers beyond 64 bits even where nobody looks."""
        narrowed: dict[str, Any] = {}
        for path in sorted(self.paths, key=lambda path: -len(path.names)):
            source, target = context, narrowed
            for name in path.names[:-1]:
                if not isinstance(source.get(name), Mapping):
                    break
                source, target = source[name], target.setdefault(name, {})
            else:
                name = path.names[-1]
            if name in source:
                target[name] = source[name]
        return narrowed

    def _to_json(self, value: Any) -> Any:
        match value:
            case None | bool() | int() | str():
                return value
            case float():
                if math.isfinite(value):
                    return value
                raise self._failure(f"{value} is not JSON")
            case list():
                return [self._to_json(item) for item in value]
            case dict():
                if all(isinstance(key, str) for key in value):
                    return {key: self._to_json(item) for key, item in value.items()}
                raise self._failure("a map with keys that are not text is not JSON")
            case datetime():
                return value.isoformat().replace("+00:00", "Z")
            case timedelta():
                return f"{value.total_seconds():.6f}".rstrip("0").rstrip(".") + "s"
        raise self._failure(f"a {type(value).__name__} is not JSON")

    def _failure(self, reason: str) -> ExpressionError:
        return ExpressionError(f"{_OPEN} {self.source.strip()} {_CLOSE} failed: {reason}")


@dataclass(frozen=True, slots=True)
class Template:
    """JSON whose strings may hold `${{ }}`."""

    value: Any
    #: The strings that hold expressions, by their place, cut into text and expressions.
    parts: Mapping[Place, tuple[str | Expression, ...]]

    @property
    def references(self) -> tuple[Reference, ...]:
        """Every variable it reads, in the order of the text."""
        return tuple(
            Reference(
                names=path.names,
                place=place,
                offset=part.offset + path.offset,
                length=measure_word(part.source, path.offset),
            )
            for place, parts in self.parts.items()
            for part in parts
            if isinstance(part, Expression)
            for path in part.paths
        )

    @property
    def is_expression(self) -> bool:
        """Whether it is text that is one expression and nothing else."""
        parts = self.parts.get(())
        return parts is not None and len(parts) == 1 and isinstance(parts[0], Expression)

    def uses(self, variable: str) -> bool:
        """Tells whether an expression reads the variable."""
        return any(reference.names[0] == variable for reference in self.references)

    def render(self, context: Mapping[str, Any]) -> Any:
        """Gives the JSON with every expression replaced; raises ExpressionError."""
        return self._render(self.value, (), context) if self.parts else self.value

    def _render(self, value: Any, place: Place, context: Mapping[str, Any]) -> Any:
        if isinstance(value, Mapping):
            return {k: self._render(item, (*place, k), context) for k, item in value.items()}
        if isinstance(value, list | tuple):
            return [self._render(item, (*place, i), context) for i, item in enumerate(value)]
        parts = self.parts.get(place)
        return value if parts is None else _join(parts, context)


def parse_template(value: Any, variables: Mapping[str, str] = STEP_VARIABLES) -> Template:
    """Reads the expressions in a JSON value; raises TemplateError with every problem.

    `variables` maps the names that are known to their CEL types, such as `map<string, dyn>`.
    """
    environment = _build_environment(tuple(sorted(variables.items())))
    problems: list[ExpressionProblem] = []
    parts: dict[Place, tuple[str | Expression, ...]] = {}
    for place, text, in_key in _walk(value, ()):
        if _OPEN not in text:
            continue
        try:
            if in_key:
                raise _Unreadable(text.index(_OPEN), len(_OPEN), "expressions are for values only")
            parsed = tuple(_parse_text(text, environment, variables))
        except _Unreadable as found:
            problems.append(
                ExpressionProblem(
                    message=found.message,
                    place=place,
                    offset=found.offset,
                    length=found.length,
                    in_key=in_key,
                )
            )
        else:
            parts[place] = parsed
    if problems:
        raise TemplateError(problems[0].message, problems=problems)
    return Template(value, parts)


def find_unknown_members(template: Template, known: Mapping[str, Any]) -> list[UnknownMember]:
    """Lists the references that leave a tree of known names; None in the tree allows any member.

    `{"inputs": None, "needs": {"orders": {"result": None}}}` is what a step that needs `orders`
    may name.
    """
    found = []
    for reference in template.references:
        level: Mapping[str, Any] | None = known
        for name in reference.names:
            if level is None:
                break
            if name not in level:
                unknown = UnknownMember(reference=reference, name=name, known=tuple(level))
                found.append(unknown)
                break
            level = level[name]
    return found


class _Unreadable(Exception):
    def __init__(self, offset: int, length: int, message: str) -> None:
        super().__init__(message)
        self.offset, self.length, self.message = offset, length, message


def _walk(value: Any, place: Place) -> Iterator[tuple[Place, str, bool]]:
    if isinstance(value, str):
        yield place, value, False
    elif isinstance(value, Mapping):
        for key, item in value.items():
            if isinstance(key, str):
                yield (*place, key), key, True
            yield from _walk(item, (*place, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _walk(item, (*place, index))


def _parse_text(
    text: str, environment: cel.Env, variables: Mapping[str, str]
) -> Iterator[str | Expression]:
    position = 0
    while (start := text.find(_OPEN, position)) >= 0:
        if start > position:
            yield text[position:start]
        offset = start + len(_OPEN)
        end = find_close(text, offset)
        if end is None:
            raise _Unreadable(start, len(_OPEN), f"'{_OPEN}' without '{_CLOSE}'; close it")
        yield _compile(text[offset:end], offset, environment, variables)
        position = end + len(_CLOSE)
    if position < len(text):
        yield text[position:]


def find_close(text: str, position: int) -> int | None:
    """Finds the `}}` that ends an expression, past strings and maps."""
    depth = 0
    while position < len(text):
        string = _string.match(text, position)
        if string:
            position = string.end()
            continue
        char = text[position]
        if char == "}" and depth == 0:
            return position if text.startswith(_CLOSE, position) else None
        depth += (char == "{") - (char == "}")
        position += 1
    return None


def _compile(
    source: str, offset: int, environment: cel.Env, variables: Mapping[str, str]
) -> Expression:
    if not source.strip():
        raise _Unreadable(offset, max(1, len(source)), "expected an expression, got nothing")
    try:
        compiled = environment.compile(source)
    except RuntimeError as error:
        at, message = word_problem(str(error), source, variables)
        raise _Unreadable(offset + at, measure_word(source, at), message) from error
    return Expression(source, offset, compiled, tuple(read_member_paths(compiled.serialize())))


def _join(parts: tuple[str | Expression, ...], context: Mapping[str, Any]) -> Any:
    if len(parts) == 1 and isinstance(parts[0], Expression):
        return parts[0].evaluate(context)
    return "".join(part if isinstance(part, str) else _to_text(part, context) for part in parts)


def _to_text(expression: Expression, context: Mapping[str, Any]) -> str:
    value = expression.evaluate(context)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@lru_cache(maxsize=16)
def _build_environment(variables: tuple[tuple[str, str], ...]) -> cel.Env:
    # Loading CEL's native library is put off to the first expression: most commands need none.
    from cel_expr_python import cel

    return cel.NewEnv(variables={name: cel.Type(signature) for name, signature in variables})
