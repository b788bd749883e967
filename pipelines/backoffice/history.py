"""One symbol's price history, read from the data file."""

from __future__ import annotations

import csv
import gzip
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

#: A price that moves by this much against its adjusted price from one day to the next was split.
SPLIT_RATIO = 1.5


class DamagedHistory(ValueError):
    """The data file does not hold a usable history of the symbol."""


@dataclass(frozen=True, kw_only=True, slots=True)
class History:
    """The trading days of one symbol, oldest first, as three columns."""

    symbol: str
    dates: tuple[str, ...]
    #: What was paid that day.
    closes: tuple[float, ...]
    #: The same with later splits and dividends taken out: what returns are computed from.
    adjusted: tuple[float, ...]

    def first_day_from(self, date: str) -> int | None:
        """Gives the position of the first trading day on or after a date, or None."""
        position = bisect_left(self.dates, date)
        return position if position < len(self.dates) else None

    def adjusted_on(self, date: str) -> float:
        """Gives the adjusted price on a date, or on the last trading day before it."""
        return self.adjusted[bisect_right(self.dates, date) - 1]


def read_history(path: Path, symbol: str) -> History:
    """Reads one symbol's rows; raises DamagedHistory where they make no sense."""
    with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
        rows = [row for row in csv.DictReader(lines) if row["Ticker"] == symbol]
    history = History(
        symbol=symbol,
        dates=tuple(row["Date"] for row in rows),
        closes=tuple(float(row["Close"]) for row in rows),
        adjusted=tuple(float(row["Adj Close"]) for row in rows),
    )
    _check(history)
    return history


def find_splits(history: History) -> list[dict[str, str | float]]:
    """Lists the days on which a share became several, as `{date, ratio}`."""
    factors = [a / c for a, c in zip(history.adjusted, history.closes, strict=True)]
    return [
        {"date": history.dates[i], "ratio": round(factors[i] / factors[i - 1], 2)}
        for i in range(1, len(factors))
        if factors[i] / factors[i - 1] >= SPLIT_RATIO
    ]


def _check(history: History) -> None:
    if not history.dates:
        raise DamagedHistory(f"no rows for symbol {history.symbol!r}")
    if any(later <= earlier for earlier, later in pairwise(history.dates)):
        raise DamagedHistory(f"dates of {history.symbol!r} do not ascend")
    if min(history.closes + history.adjusted) <= 0:
        raise DamagedHistory(f"{history.symbol!r} has a price that is not above 0")
