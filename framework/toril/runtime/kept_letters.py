"""Dead letters that are kept: finding them, sending them back, removing them.

Many of them go in a row of calls that never hold the server for long; `on_progress` is told after
each call how many were moved.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from toril.errors import JobNotFound, WrongState
from toril.runtime.calls.dead_letters import (
    BATCH,
    CHILD_FIRST,
    DATA_UNKNOWN,
    JOB_THERE,
    LETTER_HANDLED,
    LETTER_MISSING,
    MAX_BATCH_BYTES,
    MOVED,
    DeadLetter,
    Move,
    read_letter,
)
from toril.runtime.calls.jobs import FoundJob, find_jobs, read_jobs
from toril.runtime.calls.queues import read_counts
from toril.runtime.keys import QueueKeys
from toril.runtime.progress import Progress, tell
from toril.runtime.states import JobState
from toril.runtime.steps import Steps

#: Why a letter stays, as the end of a sentence on it.
REFUSALS: Mapping[int, str] = {
    LETTER_HANDLED: "it is being handled",
    JOB_THERE: "its job is there again, and has not failed",
    DATA_UNKNOWN: "its data was changed, so that it is not known what its job was given",
    CHILD_FIRST: "a job that its job needs failed, and has to be sent back first",
}

#: Where letters that nobody handles just now may be.
_MOVABLE = (
    JobState.WAITING,
    JobState.PRIORITIZED,
    JobState.DELAYED,
    JobState.FAILED,
    JobState.COMPLETED,
)
_STATES = (*_MOVABLE, JobState.ACTIVE, JobState.WAITING_CHILDREN)


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterFilter:
    """Which letters are meant; all, unless something is said."""

    #: Name of the failed job's type, or a glob.
    job: str | None = None
    #: The error's type or message, or a glob of either.
    error: str | None = None
    from_queue: str | None = None
    #: Failed at this instant or before.
    failed_by_ms: int | None = None
    #: Failed at this instant or later.
    failed_since_ms: int | None = None

    def fits(self, letter: DeadLetter) -> bool:
        """Whether the letter is meant."""
        return (
            (self.job is None or _is_meant(letter.name, self.job))
            and (self.error is None or self._fits_error(letter))
            and (self.from_queue is None or letter.from_queue == self.from_queue)
            and (self.failed_by_ms is None or letter.failed_at_ms <= self.failed_by_ms)
            and (self.failed_since_ms is None or letter.failed_at_ms >= self.failed_since_ms)
        )

    def _fits_error(self, letter: DeadLetter) -> bool:
        said = (letter.error_type, letter.error)
        return any(text is not None and _is_meant(text, self.error or "") for text in said)


def _is_meant(text: str, wanted: str) -> bool:
    # A message such as `[Errno 111] refused` is itself first, and a glob only then.
    return text == wanted or fnmatchcase(text, wanted)


@dataclass(frozen=True, slots=True)
class MovedLetters:
    """How many letters were sent back, or removed."""

    moved: int
    #: How many stay, by the reason.
    refused: Mapping[str, int]


def list_letters(
    queues: Sequence[QueueKeys], wanted: LetterFilter, *, limit: int
) -> Steps[list[DeadLetter]]:
    """Finds the newest letters of some queues, at most `limit`, whatever state they are in."""
    found: dict[tuple[str, str], DeadLetter] = {}
    for keys in queues:
        for state in _STATES:
            for letter in (yield from _list_state(keys, state, wanted, limit)):
                # One that moves on meanwhile is met twice.
                found[letter.queue, letter.id] = letter
    newest = sorted(found.values(), key=lambda letter: letter.failed_at_ms, reverse=True)
    return newest[:limit]


def find_letters(queues: Sequence[QueueKeys], ids: Sequence[str]) -> Steps[list[DeadLetter]]:
    """Finds letters by their ids; raises JobNotFound unless all of them are there."""
    found: dict[str, DeadLetter] = {}
    for keys in queues:
        jobs: list[FoundJob | None] = yield read_jobs(keys, ids)
        found |= {letter.id: letter for letter in _read_letters(jobs)}
    for letter_id in ids:
        if letter_id not in found:
            is_one = len(queues) == 1
            where = f"queue {queues[0].queue!r}" if is_one else "any queue that dead letters go to"
            raise JobNotFound(f"no dead letter {letter_id!r} in {where}")
    return [found[letter_id] for letter_id in dict.fromkeys(ids)]


def move_some(queues: Sequence[QueueKeys], ids: Sequence[str], move: Move) -> Steps[int]:
    """Moves letters by their ids and gives how many.

    Raises JobNotFound, and none is moved, unless all are there; WrongState when one has to stay,
    once the others are moved.
    """
    letters = yield from find_letters(queues, ids)
    moved, stay = 0, []
    for keys in queues:
        mine = [letter for letter in letters if letter.queue == keys.queue]
        for batch in _cut(mine):
            codes: list[int] = yield move(keys, batch)
            moved += codes.count(MOVED)
            stay += [(one, REFUSALS[c]) for one, c in zip(batch, codes, strict=True) if c < -1]
    if stay:
        sentences = (f"dead letter {letter.id!r} stays: {reason}" for letter, reason in stay)
        raise WrongState("; ".join(sentences))
    return moved


def move_all(
    queues: Sequence[QueueKeys],
    wanted: LetterFilter,
    move: Move,
    *,
    on_progress: Progress | None = None,
) -> Steps[MovedLetters]:
    """Moves the letters that are there when it begins with a state, the oldest first."""
    codes: Counter[int] = Counter()
    for keys in queues:
        for state in _MOVABLE:
            yield from _move_state(keys, state, wanted, move, codes, on_progress)
    refused = {reason: codes[code] for code, reason in REFUSALS.items() if codes[code]}
    return MovedLetters(codes[MOVED], refused)


def _list_state(
    keys: QueueKeys, state: JobState, wanted: LetterFilter, limit: int
) -> Steps[list[DeadLetter]]:
    found: list[DeadLetter] = []
    first = 0
    while len(found) < limit:
        page: list[FoundJob] = yield find_jobs(keys, [state], first=first, count=BATCH)
        found += [letter for letter in _read_letters(page) if wanted.fits(letter)]
        first += len(page)
        if len(page) < BATCH:
            break
    return found[:limit]


def _move_state(
    keys: QueueKeys,
    state: JobState,
    wanted: LetterFilter,
    move: Move,
    codes: Counter[int],
    on_progress: Progress | None,
) -> Steps[None]:
    """Moves letters of one state, and counts what became of them in `codes`."""
    passed, ahead = 0, getattr((yield read_counts(keys)), state.value)
    while ahead > 0:
        size = min(BATCH, ahead)
        page: list[FoundJob] = yield find_jobs(
            keys, [state], first=passed, count=size, newest_first=False
        )
        gone = 0
        letters = [letter for letter in _read_letters(page) if wanted.fits(letter)]
        for batch in _cut(letters):
            skip = passed if state is JobState.WAITING else None
            became: Counter[int] = Counter((yield move(keys, batch, skip=skip)))
            codes.update(became)
            gone += became[MOVED] + became[LETTER_MISSING]
            tell(on_progress, codes[MOVED])
        passed += len(page) - gone
        ahead = 0 if len(page) < size else ahead - size


def _read_letters(jobs: Sequence[FoundJob | None]) -> Iterator[DeadLetter]:
    for found in jobs:
        letter = None if found is None else read_letter(found)
        if letter is not None:
            yield letter


def _cut(letters: Sequence[DeadLetter]) -> Iterator[Sequence[DeadLetter]]:
    """Cuts letters into what one call may carry, each at least one."""
    start = size = 0
    for place, letter in enumerate(letters):
        size += len(letter.job.data_json)
        if place - start == BATCH or (size > MAX_BATCH_BYTES and place > start):
            yield letters[start:place]
            start, size = place, len(letter.job.data_json)
    if letters[start:]:
        yield letters[start:]
