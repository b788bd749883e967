"""The demo in pipelines/: it runs to its end, fails where it says so, and its numbers are right.

The expected numbers are computed here from the same files by other means: whole cents and sums
of slices instead of Decimal and running totals.
"""

from __future__ import annotations

import fcntl
import gzip
import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from html.parser import HTMLParser
from itertools import accumulate
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

PIPELINES = Path(__file__).parents[2] / "pipelines"
TORIL = Path(sys.executable).with_name("toril")
SYMBOLS = ("AAPL", "FB", "GOOG", "IBM", "MSFT")
OPENING_CENTS = 10_000_000
FEE_CENTS = 995


@dataclass(frozen=True)
class Demo:
    """A copy of the demo that has run until idle."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / ".toril" / "out"

    @property
    def numbers(self) -> dict[str, Any]:
        return json.loads((self.out / "report.json").read_text())

    def toril(self, *arguments: str) -> str:
        command = [str(TORIL), "-C", str(self.folder), *arguments]
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=120, env=clean_environment()
        )
        assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}"
        return done.stdout

    def jobs(self, queue: str, state: str) -> list[dict[str, Any]]:
        return json.loads(self.toril("job", "list", queue, state, "--format", "json"))["jobs"]


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Demo:
    """Runs the demo once for all test processes: the first one does, the others wait."""
    base = tmp_path_factory.getbasetemp()
    shared = base if worker_id == "master" else base.parent
    demo = Demo(shared / "demo")
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (demo.out / "mail.txt").exists():
            shutil.copytree(PIPELINES, demo.folder, ignore=shutil.ignore_patterns(".toril"))
            demo.toril("run", "--until-idle")
    return demo


def test_the_demo_has_no_problems() -> None:
    done = subprocess.run(
        [TORIL, "-C", PIPELINES, "check", "--format", "json"], capture_output=True
    )

    assert json.loads(done.stdout) == {"problems": []}


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_the_history_is_described_as_in_the_file(demo: Demo, symbol: str) -> None:
    history = demo.numbers["symbols"][symbol]["history"]
    rows = read_prices()[symbol]

    assert (history["days"], history["first"], history["last"]) == (
        len(rows),
        min(rows),
        max(rows),
    )


def test_splits_are_found_and_returns_do_not_fall_for_them(demo: Demo) -> None:
    symbols = demo.numbers["symbols"]
    splits = {name: [s["date"] for s in symbols[name]["history"]["splits"]] for name in SYMBOLS}

    assert splits == {
        "AAPL": ["2000-06-21", "2005-02-28"],
        "FB": [],
        "GOOG": [],
        "IBM": [],
        "MSFT": ["2003-02-18"],
    }
    assert symbols["MSFT"]["returns"]["worst_day"]["date"] != "2003-02-18"


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_returns_are_right(demo: Demo, symbol: str) -> None:
    returns = demo.numbers["symbols"][symbol]["returns"]
    days, prices = zip(*sorted(read_prices()[symbol].items()), strict=True)
    years = (date.fromisoformat(days[-1]) - date.fromisoformat(days[0])).days / 365.25
    changes = {days[i]: (prices[i] - prices[i - 1]) / prices[i - 1] for i in range(1, len(days))}

    assert returns["total"] == pytest.approx((prices[-1] - prices[0]) / prices[0], rel=1e-9)
    assert math.log1p(returns["per_year"]) * years == pytest.approx(
        math.log(prices[-1]) - math.log(prices[0]), rel=1e-9
    )
    assert returns["best_day"]["change"] == pytest.approx(max(changes.values()), rel=1e-9)
    assert returns["worst_day"]["change"] == pytest.approx(min(changes.values()), rel=1e-9)
    assert changes[returns["best_day"]["date"]] == max(changes.values())
    assert changes[returns["worst_day"]["date"]] == min(changes.values())


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_volatility_is_right(demo: Demo, symbol: str) -> None:
    volatility = demo.numbers["symbols"][symbol]["volatility"]
    prices = [price for _, price in sorted(read_prices()[symbol].items())]
    changes = [prices[i] / prices[i - 1] - 1 for i in range(1, len(prices))]
    peaks = list(accumulate(prices, max))
    deepest = min((p - peak) / peak for p, peak in zip(prices, peaks, strict=True))

    assert volatility["per_year"] == pytest.approx(deviation(changes) * 252**0.5, rel=1e-9)
    assert volatility["recent"] == pytest.approx(deviation(changes[-63:]) * 252**0.5, rel=1e-9)
    assert volatility["deepest_fall"] == pytest.approx(deepest, rel=1e-9)


@pytest.mark.parametrize("symbol", SYMBOLS)
def test_moving_averages_are_right(demo: Demo, symbol: str) -> None:
    averages = demo.numbers["symbols"][symbol]["averages"]
    days, prices = zip(*sorted(read_prices()[symbol].items()), strict=True)
    gaps = [
        mean(prices[i - 49 : i + 1]) - mean(prices[i - 199 : i + 1]) for i in range(199, len(days))
    ]
    crossings = [days[199 + i] for i in range(1, len(gaps)) if (gaps[i] > 0) != (gaps[i - 1] > 0)]

    assert averages["short"] == pytest.approx(mean(prices[-50:]), rel=1e-9)
    assert averages["crossings"] == len(crossings)
    assert averages["last_crossing"] == (crossings[-1] if crossings else None)
    if gaps:
        assert averages["long"] == pytest.approx(mean(prices[-200:]), rel=1e-9)
        assert averages["signal"] == ("above" if gaps[-1] > 0 else "below")
    else:
        assert (averages["long"], averages["signal"]) == (None, "unknown")


def test_the_replay_leaves_the_cash_and_shares_it_should(demo: Demo) -> None:
    account = demo.numbers["account"]
    expected = replay(read_prices())

    assert [fill["id"] for fill in account["fills"]] == expected.filled
    assert [order["id"] for order in account["refused"]] == expected.refused
    assert len(expected.refused) == 5
    assert round(account["cash"] * 100) == expected.cash_cents
    assert {p["symbol"]: p["shares"] for p in account["positions"]} == expected.shares


def test_an_order_without_trading_is_filled_on_the_next_trading_day(demo: Demo) -> None:
    fills = {fill["date"]: fill["filled_on"] for fill in demo.numbers["account"]["fills"]}

    assert fills["2011-03-12"] == "2011-03-14"
    assert fills["2012-10-29"] == "2012-10-31"


def test_balances_are_right(demo: Demo) -> None:
    account, prices = demo.numbers["account"], read_prices()
    expected = replay(prices)
    value = expected.cash_cents + sum(
        cents(prices[symbol]["2013-03-01"], shares) for symbol, shares in expected.shares.items()
    )
    parts = account["realized"] + account["unrealized"] - account["fees"]

    assert round(account["equity"] * 100) == value
    assert account["equity"] == pytest.approx(OPENING_CENTS / 100 + parts, abs=0.005)
    assert round(account["fees"] * 100) == FEE_CENTS * len(expected.filled)


def test_each_year_ends_with_the_worth_it_had(demo: Demo) -> None:
    prices = read_prices()
    for year in demo.numbers["account"]["years"]:
        last_day = max(day for day in prices["IBM"] if day.startswith(str(year["year"])))
        then = replay(prices, until=last_day)
        value = then.cash_cents + sum(
            cents(prices[symbol][last_day], shares) for symbol, shares in then.shares.items()
        )

        assert round(year["equity"] * 100) == value, year


def test_the_exchange_times_out_twice_and_is_asked_again(demo: Demo) -> None:
    completed = demo.jobs("orders", "completed")
    jobs = {job["name"]: job for job in completed if job["schedule"] is None}

    assert jobs["fetch-orders"]["attempts"] == 3
    assert jobs["fetch-orders"]["result"]["attempt"] == 3
    assert jobs["sync-orders"]["id"].startswith("sync-ada-")
    assert jobs["sync-orders"]["result"]["trader"] == "ada"
    assert jobs["sync-orders"]["attempts"] == 1


def test_the_source_gave_a_job_for_each_trader(demo: Demo) -> None:
    ticks = [job for job in demo.jobs("orders", "completed") if job["schedule"] == "sync-traders"]

    assert [tick["result"] for tick in ticks] == [{"added": 2, "there": 0}]


def test_an_authentication_error_is_not_retried_and_leaves_a_dead_letter(demo: Demo) -> None:
    (failed,) = demo.jobs("orders", "failed")
    (letter,) = (demo.out / "dead-letters").iterdir()

    assert (failed["name"], failed["data"], failed["attempts"]) == (
        "sync-orders",
        {"trader": "bob"},
        1,
    )
    assert "the key of 'bob' expired on 2012-12-31" in failed["error"]
    written = json.loads(letter.read_text())
    assert (written["id"], written["error"]["type"]) == (failed["id"], "AuthenticationError")
    assert [job["name"] for job in demo.jobs("dead-letters", "completed")] == ["keep-dead-letter"]


def test_every_other_job_completes_once(demo: Demo) -> None:
    queues = json.loads(demo.toril("status", "--format", "json"))["queues"]
    completed = {name: queue["completed"] for name, queue in queues.items()}
    unfinished = [
        queue[state]
        for queue in queues.values()
        for state in ("waiting", "prioritized", "active", "waiting_children")
    ]

    assert not any(unfinished)
    assert {name: completed[name] for name in ("prices", "balances", "reports")} == {
        # A job for each symbol in each phase, and one a phase that gathers them.
        "prices": 4 * (len(SYMBOLS) + 1),
        "balances": 1,
        # The report, the refusals, and the tick that starts the flow.
        "reports": 3,
    }


def test_the_refused_orders_are_listed(demo: Demo) -> None:
    lines = (demo.out / "refusals.txt").read_text().splitlines()

    assert [line.partition(":")[0] for line in lines] == replay(read_prices()).refused


def test_running_again_finds_nothing_due_and_ends(demo: Demo) -> None:
    written = (demo.out / "report.html").stat().st_mtime_ns

    demo.toril("run", "--until-idle")

    assert (demo.out / "report.html").stat().st_mtime_ns == written
    assert len(demo.jobs("orders", "failed")) == 1


def test_the_page_holds_everything_it_shows(demo: Demo) -> None:
    page = (demo.out / "report.html").read_text()
    found = PageReader()
    found.feed(page)
    drawings = re.findall(r"<svg.*?</svg>", page, re.DOTALL)

    assert found.loaded == []
    assert len(drawings) == 2 + len(SYMBOLS)
    for drawing in drawings:
        assert ElementTree.fromstring(drawing).find("path[@class]") is not None
    assert f"{demo.numbers['account']['equity']:,.2f}" in page


def test_the_mail_tells_of_the_report(demo: Demo) -> None:
    mail = (demo.out / "mail.txt").read_text()

    assert mail.startswith("To: desk@example.com\nSubject: Back office, 2013-03-01: ")
    assert f"{demo.numbers['account']['equity']:,.2f} dollars" in mail
    assert "58 orders were filled, 5 were refused." in mail


@dataclass
class Replay:
    """Where an account stands after orders were replayed in whole cents."""

    cash_cents: int
    shares: dict[str, int]
    filled: list[str]
    refused: list[str]


class PageReader(HTMLParser):
    """Collects what a page would load from elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.loaded: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "link", "img", "iframe"):
            self.loaded.append(tag)
        self.loaded += [value for name, value in attrs if name in ("src", "href") and value]


def clean_environment() -> dict[str, str]:
    """The environment without a Redis of this machine's, so that the demo uses its own."""
    return {name: value for name, value in os.environ.items() if name != "REDIS_URL"}


def read_prices() -> dict[str, dict[str, float]]:
    """Reads symbol -> day -> adjusted price."""
    text = gzip.decompress((PIPELINES / "data" / "stocks.csv.gz").read_bytes()).decode()
    prices: dict[str, dict[str, float]] = defaultdict(dict)
    for line in text.splitlines()[1:]:
        symbol, day, *_, adjusted = line.split(",")
        prices[symbol][day] = float(adjusted)
    return prices


def replay(prices: dict[str, dict[str, float]], until: str = "9999") -> Replay:
    """Replays the orders filled up to a day."""
    state = Replay(OPENING_CENTS, {}, [], [])
    for line in (PIPELINES / "data" / "orders.csv").read_text().splitlines()[1:]:
        order, day, _trader, symbol, side, quantity = line.split(",")
        days = [d for d in prices[symbol] if day <= d <= until]
        listed = min(prices[symbol]) <= day
        total = cents(prices[symbol][min(days)], int(quantity)) if days and listed else None
        held, sign = state.shares.get(symbol, 0), 1 if side == "buy" else -1
        affordable = total is not None and sign * total + FEE_CENTS <= state.cash_cents
        if total is None or not affordable or held + sign * int(quantity) < 0:
            state.refused.append(order)
            continue
        state.cash_cents -= sign * total + FEE_CENTS
        state.shares[symbol] = held + sign * int(quantity)
        state.filled.append(order)
    state.shares = {symbol: shares for symbol, shares in state.shares.items() if shares}
    return state


def cents(price: float, shares: int) -> int:
    return round(Fraction(repr(price)) * shares * 100)


def mean(numbers: tuple[float, ...] | list[float]) -> float:
    return math.fsum(numbers) / len(numbers)


def deviation(numbers: list[float]) -> float:
    squares = [(number - mean(numbers)) ** 2 for number in numbers]
    return math.sqrt(math.fsum(squares) / (len(numbers) - 1))
