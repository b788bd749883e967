"""Medians, spreads and ratios of what the rounds gave: pure functions."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from benchmarks.names import PEERS, REFERENCE


@dataclass(frozen=True, kw_only=True, slots=True)
class Spread:
    """The values of one cell over all rounds."""

    median: float
    least: float
    most: float


def summarize(values: Sequence[float]) -> Spread:
    """Gives the median and the extremes of at least one value."""
    return Spread(median=statistics.median(values), least=min(values), most=max(values))


def find_percentile(values: Sequence[float], percent: float) -> float:
    """Gives the value below which so many percent of the values lie, by the nearest rank."""
    ranked = sorted(values)
    return ranked[max(0, math.ceil(len(ranked) * percent / 100) - 1)]


def compute_ratios(medians: Mapping[str, float], reference: str | None) -> dict[str, float]:
    """Gives how many times a row's value is the reference's; nothing where there is none."""
    base = medians.get(reference) if reference else None
    return {row: median / base for row, median in medians.items()} if base else {}


def choose_reference(medians: Mapping[str, float], *, more_is_better: bool) -> str | None:
    """Gives BullMQ for Node, else the best other peer, else none."""
    if REFERENCE in medians:
        return REFERENCE
    peers = [row for row in medians if row in PEERS]
    if not peers:
        return None
    return (max if more_is_better else min)(peers, key=medians.__getitem__)
