"""What CEL says of an expression, in Toril's words."""

from __future__ import annotations

import re
from collections.abc import Mapping

_LONGEST = 200
_problem = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_word = re.compile(r"[A-Za-z_][\w.]*|\d[\w.]*|.", re.DOTALL)


def word_problem(error: str, source: str, variables: Mapping[str, str]) -> tuple[int, str]:
    """Gives the offset and a sentence for what CEL says when it cannot compile."""
    match = _problem.search(error)
    if match is None:
        return 0, word_failure(error)
    line, column, message = int(match[1]), int(match[2]), match[3]
    offset = sum(len(text) + 1 for text in source.split("\n")[: line - 1]) + column - 1
    unknown = re.match(r"undeclared reference to '([^']*)'", message)
    if unknown:
        return _word_unknown(unknown[1], offset, source, variables)
    operator = re.match(r"found no matching overload for '([^']*)' applied to '(.*)'", message)
    if operator:
        return offset, f"{_name_operator(operator[1])} does not take {operator[2]}"
    message = message.removesuffix(" (in container '')").removeprefix("Syntax error: ")
    unexpected = re.match(r"(?:mismatched|extraneous) input '(.*?)' expecting", message)
    if unexpected and unexpected[1] == "<EOF>":
        return len(source.rstrip()), "the expression ends too early"
    if unexpected:
        return offset, f"{unexpected[1]!r} is not expected here"
    unreadable = re.match(r"token recognition error at: '(.*)'", message)
    if unreadable:
        return offset, f"{unreadable[1].strip()!r} cannot be read"
    return offset, message[:1].lower() + message[1:]


def _word_unknown(
    name: str, offset: int, source: str, variables: Mapping[str, str]
) -> tuple[int, str]:
    root = name.partition(".")[0]
    if source[offset : offset + 1] == "(":
        start = source.rfind(root, 0, offset)
        return max(start, 0), f"no function {root!r} is known"
    start = source.rfind(root, 0, offset + len(root))
    return max(start, 0), f"no variable {root!r} is known here, only {', '.join(variables)}"


def word_failure(error: str) -> str:
    """Cuts CEL's status code off, and words the most common failures."""
    text = re.sub(r"^[A-Z_]+: ", "", error.split("\n")[0])
    text = re.sub(r" \[[A-Z_]+\]$", "", text)
    missing = re.match(r'Key not found in map : "?(.*?)"?$', text)
    if missing:
        return f"no member {missing[1]!r}"
    operator = re.match(r"No matching overloads found : (\S+?)(\(.*\))$", text)
    if operator:
        return f"{_name_operator(operator[1])} does not take {operator[2]}"
    number = re.match(r"Integer value '(-?\d+)' out of range", text)
    if number:
        return f"the number {number[1]} has more than 64 bits"
    if text.startswith("basic_string"):
        return "a text is not valid Unicode"
    return (text[:1].lower() + text[1:].rstrip("."))[:_LONGEST]


def _name_operator(name: str) -> str:
    """Turns CEL's `_+_` into the sign that was written."""
    return repr(name.replace("_", "") if name.startswith(("_", "-", "!", "@")) else name)


def measure_word(source: str, offset: int) -> int:
    """Gives how many characters the word at an offset has, for the caret line."""
    word = _word.match(source, offset)
    return len(word[0]) if word else 1
