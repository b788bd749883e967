"""What a queue holds, and emptying it: a part of a queue's blocking handle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from toril.declarations.spans import Span, read_span_ms
from toril.handles.needs import SendsSync
from toril.runtime.calls.jobs import FoundJob, find_jobs
from toril.runtime.calls.metrics import Metrics, read_metrics
from toril.runtime.calls.queues import (
    Counts,
    WorkerConnection,
    count_delayed,
    count_priorities,
    list_workers,
    read_counts,
)
from toril.runtime.keys import QueueKeys
from toril.runtime.progress import Progress
from toril.runtime.removal import clean, drain, obliterate
from toril.runtime.states import parse_state
from toril.runtime.steps import walk_sync


class SyncQueueContents:
    """A part of `SyncQueueHandle`; see `QueueContents`."""

    __slots__ = ()

    _client: SendsSync
    _keys: QueueKeys

    def counts(self) -> Counts:
        """Counts its jobs by state, and tells whether it is paused."""
        return self._client.send(read_counts(self._keys))

    def count_delayed(self, *, within: Span) -> int:
        """Counts the delayed jobs that are due within so long."""
        before_ms = self._client.clock.now_ms() + read_span_ms(within)
        return self._client.send(count_delayed(self._keys, before_ms=before_ms))

    def count_priorities(self, priorities: Sequence[int]) -> dict[int, int]:
        """Counts the jobs that are ready to run by priority; 0 stands for those without one."""
        return self._client.send(count_priorities(self._keys, priorities))

    def jobs(
        self, *states: str, first: int = 0, count: int = 50, newest_first: bool = True
    ) -> list[FoundJob]:
        """Lists a page of its jobs in each state, one state after the other; at most 1000 jobs."""
        wanted = [parse_state(state) for state in states]
        call = find_jobs(self._keys, wanted, first=first, count=count, newest_first=newest_first)
        return self._client.send(call)

    def workers(self) -> list[WorkerConnection]:
        """Lists its workers, Node's too."""
        return self._client.send(list_workers(self._keys))

    def metrics(
        self, kind: Literal["completed", "failed"], *, first: int = 0, last: int = -1
    ) -> Metrics:
        """Reads how many jobs finished per minute, the newest minute first."""
        return self._client.send(read_metrics(self._keys, kind, first=first, last=last))

    def drain(self, *, delayed: bool = False, on_progress: Progress | None = None) -> int:
        """Removes all jobs that wait, the delayed ones if asked; gives how many."""
        steps = drain(self._keys, delayed=delayed, on_progress=on_progress)
        return walk_sync(steps, self._client.send)

    def clean(
        self,
        state: str,
        *,
        older_than: Span = 0,
        limit: int | None = None,
        on_progress: Progress | None = None,
    ) -> list[str]:
        """Removes jobs of a state to which nothing happened for so long; gives their ids."""
        steps = clean(
            self._keys,
            parse_state(state),
            latest_ms=self._client.clock.now_ms() - read_span_ms(older_than),
            limit=limit,
            on_progress=on_progress,
        )
        return walk_sync(steps, self._client.send)

    def obliterate(self, *, force: bool = False, on_progress: Progress | None = None) -> int:
        """Removes it with everything in it, and gives how many jobs that were."""
        steps = obliterate(self._keys, force=force, on_progress=on_progress)
        return walk_sync(steps, self._client.send)
