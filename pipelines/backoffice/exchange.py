"""The exchange the orders come from: simulated, and as unreliable as the demo wants it."""

from __future__ import annotations

import asyncio
import csv
from pathlib import Path
from typing import Any

#: How long the simulated exchange takes to answer.
ANSWER_SECONDS = 0.1
#: The day the data ends, which is today as far as the demo is concerned.
TODAY = "2013-03-01"


class AuthenticationError(Exception):
    """The exchange does not accept the trader's key; asking again will not help."""


class Exchange:
    """Answers from files, after a while, or not at all."""

    def __init__(self, data: Path) -> None:
        self._orders = _read_rows(data / "orders.csv")
        self._traders = {row["trader"]: row for row in _read_rows(data / "traders.csv")}

    @property
    def traders(self) -> list[str]:
        """The traders it knows."""
        return list(self._traders)

    async def log_in(self, trader: str) -> None:
        """Checks a trader's key; raises AuthenticationError if it has expired or there is none."""
        await asyncio.sleep(ANSWER_SECONDS)
        if trader not in self._traders:
            raise AuthenticationError(f"the exchange knows no trader {trader!r}")
        expires = self._traders[trader]["key_expires"]
        if expires < TODAY:
            raise AuthenticationError(f"the key of {trader!r} expired on {expires}")

    async def fetch_orders(self, *, trader: str | None = None) -> list[dict[str, Any]]:
        """Gives the orders of one trader, or of all, oldest first."""
        await asyncio.sleep(ANSWER_SECONDS)
        return [_parse(row) for row in self._orders if trader in (None, row["trader"])]

    async def time_out(self) -> None:
        """Takes too long, as the real one does on busy mornings."""
        await asyncio.sleep(ANSWER_SECONDS)
        raise TimeoutError("the exchange did not answer in time")


def _read_rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines))


def _parse(row: dict[str, str]) -> dict[str, Any]:
    return {**row, "quantity": int(row["quantity"])}
