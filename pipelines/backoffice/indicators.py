"""Returns, volatility and moving averages of one symbol, all from adjusted prices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from itertools import pairwise
from statistics import stdev
from typing import Any

from backoffice.history import History

#: Trading days that make a year, by convention.
TRADING_DAYS = 252
DAYS_IN_YEAR = 365.25


def daily_returns(prices: Sequence[float]) -> list[float]:
    """Gives each day's change against the day before; one shorter than the prices."""
    return [later / earlier - 1 for earlier, later in pairwise(prices)]


def summarize_returns(history: History) -> dict[str, Any]:
    """Gives the return over all, per year, and the best and worst days."""
    growth = history.adjusted[-1] / history.adjusted[0]
    changes = dict(zip(history.dates[1:], daily_returns(history.adjusted), strict=True))
    best, worst = max(changes, key=changes.__getitem__), min(changes, key=changes.__getitem__)
    return {
        "total": growth - 1,
        "per_year": growth ** (1 / _years(history)) - 1,
        "best_day": {"date": best, "change": changes[best]},
        "worst_day": {"date": worst, "change": changes[worst]},
    }


def summarize_volatility(history: History, window: int) -> dict[str, Any]:
    """Gives the yearly volatility, of all days and of the last `window`, and the deepest fall."""
    changes = daily_returns(history.adjusted)
    return {
        "per_year": stdev(changes) * math.sqrt(TRADING_DAYS),
        "recent": stdev(changes[-window:]) * math.sqrt(TRADING_DAYS),
        "window": window,
        "deepest_fall": min(drawdowns(history.adjusted)),
    }


def drawdowns(prices: Sequence[float]) -> list[float]:
    """Gives, for each day, how far the price is below the highest so far: 0 or less."""
    peak, falls = prices[0], []
    for price in prices:
        peak = max(peak, price)
        falls.append(price / peak - 1)
    return falls


def moving_average(prices: Sequence[float], days: int) -> list[float | None]:
    """Gives, for each day, the mean of the last `days` prices; None where there are fewer."""
    averages: list[float | None] = []
    total = 0.0
    for i, price in enumerate(prices):
        total += price - (prices[i - days] if i >= days else 0.0)
        averages.append(total / days if i >= days - 1 else None)
    return averages


def summarize_averages(history: History, short: int, long: int) -> dict[str, Any]:
    """Compares a short and a long moving average: where they stand, and when they last crossed."""
    quick = moving_average(history.adjusted, short)
    slow = moving_average(history.adjusted, long)
    above = [
        q > s if q is not None and s is not None else None for q, s in zip(quick, slow, strict=True)
    ]
    crossings = [
        history.dates[i]
        for i, (before, after) in enumerate(pairwise(above), start=1)
        if before is not None and before != after
    ]
    return {
        "short_days": short,
        "long_days": long,
        "price": history.adjusted[-1],
        "short": quick[-1],
        "long": slow[-1],
        "signal": {True: "above", False: "below", None: "unknown"}[above[-1]],
        "crossings": len(crossings),
        "last_crossing": crossings[-1] if crossings else None,
    }


def _years(history: History) -> float:
    first, last = date.fromisoformat(history.dates[0]), date.fromisoformat(history.dates[-1])
    return (last - first).days / DAYS_IN_YEAR
