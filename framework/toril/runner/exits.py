"""How a worker process ended, and how long to wait before the next one."""

from __future__ import annotations

import signal
from dataclasses import dataclass

#: A process that lived so long was well; its end does not count as one of a series.
WELL_AFTER_S = 10.0

_FIRST_PAUSE_S = 0.05
_LONGEST_PAUSE_S = 30.0


@dataclass(frozen=True, slots=True)
class Exit:
    """The end of a process: its exit code, negative for a signal as subprocess has it."""

    code: int

    @property
    def is_crash(self) -> bool:
        """Whether it surely ended without settling or handing back what it ran."""
        return self.code != 0

    def __str__(self) -> str:
        if self.code >= 0:
            return f"exit code {self.code}"
        try:
            return f"signal {signal.Signals(-self.code).name}"
        except ValueError:
            return f"signal {-self.code}"


class RestartPauses:
    """The pauses before restarts of one place: short after a long life, longer in a series."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def next_s(self, *, lived_s: float, random_unit: float) -> float:
        """Gives the seconds to wait before the next process, after one that lived so long.

        `random_unit` in 0..1 spreads processes that died together.
        """
        self._in_a_row = 1 if lived_s >= WELL_AFTER_S else self._in_a_row + 1
        pause_s = _FIRST_PAUSE_S * 2.0 ** min(self._in_a_row - 1, 30)
        return float(min(pause_s, _LONGEST_PAUSE_S) * (1 + random_unit / 2))
