"""Dead letters for applications: listed, sent back and removed, by their ids or by a choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from toril.declarations.spans import Span, read_span_ms
from toril.handles.needs import Sends, SendsSync
from toril.runtime.calls.dead_letters import DeadLetter, Move, purge_letters, replay_letters
from toril.runtime.dead_letters import find_letter_queues
from toril.runtime.kept_letters import (
    LetterFilter,
    MovedLetters,
    find_letters,
    list_letters,
    move_all,
    move_some,
)
from toril.runtime.keys import QueueKeys
from toril.runtime.progress import Progress
from toril.runtime.steps import walk, walk_sync


@dataclass(frozen=True, kw_only=True, slots=True)
class LetterChoice:
    """Which letters are meant, as an application says it."""

    queue: str | None = None
    job: str | None = None
    error: str | None = None
    from_queue: str | None = None
    older_than: Span | None = None
    newer_than: Span | None = None


class _Chosen:
    """What both clients' dead letters are made of."""

    def __init__(self, client: Sends | SendsSync, choice: LetterChoice) -> None:
        self._clock = client.clock
        self._choice = choice
        given = choice.queue
        names = find_letter_queues(client.pipeline) if given is None else (given,)
        #: Where letters are looked for.
        self.queues = names
        self._keys: Sequence[QueueKeys] = [client.keys(name) for name in names]
        # Wrong spans are refused here, not where the letters are used.
        self._make_filter()

    def _make_filter(self) -> LetterFilter:
        choice = self._choice
        return LetterFilter(
            job=choice.job,
            error=choice.error,
            from_queue=choice.from_queue,
            failed_by_ms=self._read_ago(choice.older_than),
            failed_since_ms=self._read_ago(choice.newer_than),
        )

    def _read_ago(self, span: Span | None) -> int | None:
        return None if span is None else self._clock.now_ms() - read_span_ms(span)

    def _replaying(self) -> Move:
        return partial(replay_letters, now_ms=self._clock.now_ms())


class DeadLetters(_Chosen):
    """What `Client.dead_letters` gives."""

    def __init__(self, client: Sends, choice: LetterChoice) -> None:
        super().__init__(client, choice)
        self._client = client

    async def list(self, *, limit: int = 100) -> list[DeadLetter]:
        """Lists the letters that are meant, the newest first."""
        steps = list_letters(self._keys, self._make_filter(), limit=limit)
        return await walk(steps, self._client.send)

    async def get(self, id: str) -> DeadLetter:
        """Reads a letter by its id; raises JobNotFound."""
        [letter] = await walk(find_letters(self._keys, [id]), self._client.send)
        return letter

    async def replay(self, *ids: str) -> int:
        """Sends letters back by their ids, and gives how many.

        The job that failed runs again with all its attempts; where it was not kept it is added
        anew under its id. Raises JobNotFound, and none is sent back; or WrongState of those that
        have to stay, once the others are sent back.
        """
        steps = move_some(self._keys, ids, self._replaying())
        return await walk(steps, self._client.send)

    async def replay_all(self, *, on_progress: Progress | None = None) -> MovedLetters:
        """Sends all letters back that are meant, the oldest first."""
        steps = move_all(
            self._keys, self._make_filter(), self._replaying(), on_progress=on_progress
        )
        return await walk(steps, self._client.send)

    async def purge(self, *ids: str) -> int:
        """Removes letters by their ids, and gives how many; raises as `replay` does."""
        return await walk(move_some(self._keys, ids, purge_letters), self._client.send)

    async def purge_all(self, *, on_progress: Progress | None = None) -> MovedLetters:
        """Removes all letters that are meant, the oldest first."""
        steps = move_all(self._keys, self._make_filter(), purge_letters, on_progress=on_progress)
        return await walk(steps, self._client.send)


class SyncDeadLetters(_Chosen):
    """The same, blocking; see `DeadLetters`."""

    def __init__(self, client: SendsSync, choice: LetterChoice) -> None:
        super().__init__(client, choice)
        self._client = client

    def list(self, *, limit: int = 100) -> list[DeadLetter]:
        """Lists the letters that are meant, the newest first."""
        steps = list_letters(self._keys, self._make_filter(), limit=limit)
        return walk_sync(steps, self._client.send)

    def get(self, id: str) -> DeadLetter:
        """Reads a letter by its id; raises JobNotFound."""
        [letter] = walk_sync(find_letters(self._keys, [id]), self._client.send)
        return letter

    def replay(self, *ids: str) -> int:
        """Sends letters back by their ids, and gives how many; see `DeadLetters.replay`."""
        return walk_sync(move_some(self._keys, ids, self._replaying()), self._client.send)

    def replay_all(self, *, on_progress: Progress | None = None) -> MovedLetters:
        """Sends all letters back that are meant, the oldest first."""
        steps = move_all(
            self._keys, self._make_filter(), self._replaying(), on_progress=on_progress
        )
        return walk_sync(steps, self._client.send)

    def purge(self, *ids: str) -> int:
        """Removes letters by their ids, and gives how many; raises as `replay` does."""
        return walk_sync(move_some(self._keys, ids, purge_letters), self._client.send)

    def purge_all(self, *, on_progress: Progress | None = None) -> MovedLetters:
        """Removes all letters that are meant, the oldest first."""
        steps = move_all(self._keys, self._make_filter(), purge_letters, on_progress=on_progress)
        return walk_sync(steps, self._client.send)
