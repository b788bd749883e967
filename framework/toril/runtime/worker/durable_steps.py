"""The durable steps of one run: what earlier attempts have kept, and which are under way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from toril.runtime.calls.durable_steps import check_step_name, read_steps
from toril.runtime.codec import decode_json
from toril.runtime.job import ClaimedJob


class DurableStep:
    """One step as a run meets it."""

    __slots__ = ("is_kept", "result")

    def __init__(self) -> None:
        self.is_kept = False
        self.result: Any = None

    def keep(self, result: Any) -> None:
        """Notes the result that is kept."""
        self.is_kept, self.result = True, result


class DurableSteps:
    """The steps of one run by their names; nothing is read before the first is asked for."""

    __slots__ = ("_entered", "_job", "_steps")

    def __init__(self, job: ClaimedJob) -> None:
        self._job = job
        self._steps: dict[str, DurableStep] | None = None
        self._entered: set[str] = set()

    @contextmanager
    def entered(self, name: str) -> Iterator[DurableStep]:
        """Gives the step; raises RuntimeError while it is under way already."""
        check_step_name(name)
        if name in self._entered:
            raise RuntimeError(f"step {name!r} of job {self._job.id!r} is under way already")
        self._entered.add(name)
        try:
            yield self._read().setdefault(name, DurableStep())
        finally:
            self._entered.discard(name)

    def _read(self) -> dict[str, DurableStep]:
        if self._steps is None:
            self._steps = {}
            for name, kept in read_steps(self._job).items():
                step = self._steps[name] = DurableStep()
                step.keep(decode_json(kept, f"the result of step {name!r}"))
        return self._steps
