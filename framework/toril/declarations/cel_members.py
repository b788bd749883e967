"""Which members of its variables a compiled CEL expression reads, and where it names them.

CEL gives its syntax tree only as a protobuf message (cel.expr.CheckedExpr). Its few fields are
read here directly, which spares a dependency on protobuf.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Field numbers of cel/expr/checked.proto and cel/expr/syntax.proto.
_ANY_VALUE = 2
_CHECKED_EXPR, _CHECKED_SOURCE = 4, 5
_SOURCE_POSITIONS = 4
_ID, _CONST, _IDENT, _SELECT, _CALL, _LIST, _STRUCT, _COMPREHENSION = 2, 3, 4, 5, 6, 7, 8, 9
_CONST_STRING = 6
_SELECT_OPERAND, _SELECT_FIELD, _SELECT_TEST = 1, 2, 3
_CALL_TARGET, _CALL_FUNCTION, _CALL_ARGS = 1, 2, 3
_STRUCT_ENTRIES, _ENTRY_KEY, _ENTRY_VALUE = 2, 3, 4
_ITER_VAR, _ITER_RANGE, _ACCU_VAR, _ITER_VAR_2 = 1, 2, 3, 8
_COMPREHENSION_BODY = (4, 5, 6, 7)

_Fields = dict[int, list[bytes | int]]


@dataclass(frozen=True, slots=True)
class MemberPath:
    """A chain of names such as needs.orders.result, and where it begins."""

    names: tuple[str, ...]
    #: In characters from the start of the expression.
    offset: int
    #: The expression is this chain and nothing else.
    is_whole: bool = False


def read_member_paths(serialized: bytes) -> list[MemberPath]:
    """Lists every variable that the expression reads, with the constant members that follow."""
    checked = _read(_bytes(_read(serialized), _ANY_VALUE))
    offsets = _read_offsets(_read(_bytes(checked, _CHECKED_SOURCE)))
    expr = _read(_bytes(checked, _CHECKED_EXPR))
    whole = _as_chain(expr)
    if whole is not None:
        return [MemberPath(whole[0], offsets.get(whole[1], 0), is_whole=not _is_test(expr))]
    return [
        MemberPath(names, offsets.get(node, 0)) for names, node in _find_chains(expr, frozenset())
    ]


def _find_chains(expr: _Fields, bound: frozenset[str]) -> Iterator[tuple[tuple[str, ...], int]]:
    """Walks the tree; `bound` are the names that a macro such as map() gives to its items."""
    chain = _as_chain(expr)
    if chain is not None:
        if chain[0][0] not in bound:
            yield chain
        return
    for child, hidden in _children(expr):
        yield from _find_chains(_read(child), bound | hidden)


def _as_chain(expr: _Fields) -> tuple[tuple[str, ...], int] | None:
    """Gives the names of a chain and the id of its first node, or None for anything else."""
    if _IDENT in expr:
        return (_text(_read(_bytes(expr, _IDENT)), 1),), _int(expr, _ID)
    operand: bytes
    if _SELECT in expr:
        select = _read(_bytes(expr, _SELECT))
        operand, member = _bytes(select, _SELECT_OPERAND), _text(select, _SELECT_FIELD)
    elif _CALL in expr:
        call = _read(_bytes(expr, _CALL))
        if _text(call, _CALL_FUNCTION) != "_[_]":
            return None
        operand, index = (arg for arg in call[_CALL_ARGS] if isinstance(arg, bytes))
        constant = _read(_bytes(_read(index), _CONST))
        if _CONST_STRING not in constant:
            return None
        member = _text(constant, _CONST_STRING)
    else:
        return None
    chain = _as_chain(_read(operand))
    return None if chain is None else ((*chain[0], member), chain[1])


def _is_test(expr: _Fields) -> bool:
    """Tells has(a.b), which CEL writes as a chain with a mark."""
    return bool(_SELECT in expr and _int(_read(_bytes(expr, _SELECT)), _SELECT_TEST))


def _children(expr: _Fields) -> Iterator[tuple[bytes, frozenset[str]]]:
    nothing: frozenset[str] = frozenset()
    if _SELECT in expr:
        yield _bytes(_read(_bytes(expr, _SELECT)), _SELECT_OPERAND), nothing
    elif _CALL in expr:
        call = _read(_bytes(expr, _CALL))
        yield from ((part, nothing) for part in _all(call, _CALL_TARGET) + _all(call, _CALL_ARGS))
    elif _LIST in expr:
        yield from ((item, nothing) for item in _all(_read(_bytes(expr, _LIST)), 1))
    elif _STRUCT in expr:
        for entry in map(_read, _all(_read(_bytes(expr, _STRUCT)), _STRUCT_ENTRIES)):
            yield from ((p, nothing) for p in _all(entry, _ENTRY_KEY) + _all(entry, _ENTRY_VALUE))
    elif _COMPREHENSION in expr:
        loop = _read(_bytes(expr, _COMPREHENSION))
        yield _bytes(loop, _ITER_RANGE), nothing
        names = frozenset(_text(loop, field) for field in (_ITER_VAR, _ACCU_VAR, _ITER_VAR_2))
        for field in _COMPREHENSION_BODY:
            yield from ((part, names) for part in _all(loop, field))


def _read_offsets(source: _Fields) -> dict[int, int]:
    entries = map(_read, _all(source, _SOURCE_POSITIONS))
    return {_int(entry, 1): _int(entry, 2) for entry in entries}


def _read(message: bytes) -> _Fields:
    """Splits a protobuf message into its fields."""
    fields: _Fields = {}
    position = 0
    while position < len(message):
        tag, position = _read_varint(message, position)
        value: bytes | int
        match tag & 7:
            case 0:
                value, position = _read_varint(message, position)
            case 2:
                length, position = _read_varint(message, position)
                value = message[position : position + length]
                position += length
            case width:  # 1 and 5 are fixed numbers of 8 and 4 bytes
                length = 8 if width == 1 else 4
                value = message[position : position + length]
                position += length
        fields.setdefault(tag >> 3, []).append(value)
    return fields


def _read_varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return value, position


def _all(fields: _Fields, number: int) -> list[bytes]:
    return [value for value in fields.get(number, ()) if isinstance(value, bytes)]


def _bytes(fields: _Fields, number: int) -> bytes:
    values = _all(fields, number)
    return values[-1] if values else b""


def _text(fields: _Fields, number: int) -> str:
    return _bytes(fields, number).decode()


def _int(fields: _Fields, number: int) -> int:
    return next((value for value in fields.get(number, ()) if isinstance(value, int)), 0)
