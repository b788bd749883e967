"""The demo's plugin: the processors that its jobs use.

The work itself is done in `backoffice/`, plain Python that knows nothing of jobs; a processor
brings it together with one job's data and says what the next step gets to know.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from backoffice.exchange import Exchange
from backoffice.history import DamagedHistory, History, find_splits, read_history
from backoffice.indicators import summarize_averages, summarize_returns, summarize_volatility
from backoffice.ledger import replay_orders
from backoffice.mail import write_mail
from backoffice.report import draw_page
from backoffice.valuation import value_account

from toril import Job, ThreadJob, Unrecoverable, hookimpl, processor, source

ROOT = Path(__file__).parent
PRICES = ROOT / "data" / "stocks.csv.gz"
OUT = ROOT / ".toril" / "out"


@processor("prices.load")
def load_history(job: ThreadJob) -> dict[str, Any]:
    """Reads one symbol's history and says what is in it."""
    try:
        history = read_history(PRICES, job.data["symbol"])
    except DamagedHistory as error:
        raise Unrecoverable(str(error)) from error
    job.log(f"{len(history.dates)} days of {history.symbol}")
    about = {
        "days": len(history.dates),
        "first": history.dates[0],
        "last": history.dates[-1],
        "splits": find_splits(history),
    }
    return {"symbol": history.symbol, "history": about}


@processor("prices.returns")
def compute_returns(job: ThreadJob) -> dict[str, Any]:
    """Adds the returns to what is known of a symbol."""
    known = job.data["known"]
    return {**known, "returns": summarize_returns(read_history(PRICES, known["symbol"]))}


@dataclass
class VolatilityParams:
    """Parameters of `prices.volatility`."""

    window: int


@processor("prices.volatility", params=VolatilityParams)
def compute_volatility(job: ThreadJob, params: VolatilityParams) -> dict[str, Any]:
    """Adds the volatility to what is known of a symbol."""
    known = job.data["known"]
    history = read_history(PRICES, known["symbol"])
    return {**known, "volatility": summarize_volatility(history, params.window)}


@dataclass
class AveragesParams:
    """Parameters of `prices.averages`: over how many days."""

    short: int
    long: int


@processor("prices.averages", params=AveragesParams)
def compute_averages(job: ThreadJob, params: AveragesParams) -> dict[str, Any]:
    """Adds the moving averages to what is known of a symbol."""
    known = job.data["known"]
    history = read_history(PRICES, known["symbol"])
    return {**known, "averages": summarize_averages(history, params.short, params.long)}


@dataclass
class FetchParams:
    """Parameters of `exchange.fetch_orders`."""

    #: How often the simulated exchange times out before it answers.
    timeouts: int = 0


@processor("exchange.fetch_orders", params=FetchParams)
async def fetch_orders(job: Job, params: FetchParams) -> dict[str, Any]:
    """Fetches all orders; fails with TimeoutError on as many attempts as `timeouts` says."""
    exchange = Exchange(ROOT / "data")
    await job.progress(10)
    if job.attempt <= params.timeouts:
        await exchange.time_out()
    orders = await exchange.fetch_orders()
    await job.log(f"{len(orders)} orders, at attempt {job.attempt} of {job.attempts}")
    await job.progress(100)
    return {"orders": orders, "attempt": job.attempt}


@processor("exchange.sync_orders")
async def sync_orders(job: Job) -> dict[str, Any]:
    """Fetches one trader's orders; a trader whose key is refused becomes a dead letter."""
    trader = job.data["trader"]
    exchange = Exchange(ROOT / "data")
    await exchange.log_in(trader)
    orders = await exchange.fetch_orders(trader=trader)
    return {"trader": trader, "orders": len(orders), "last": orders[-1]["date"]}


@source("exchange.traders")
def list_traders() -> list[dict[str, str]]:
    """Gives the traders whose orders are synced, each with the name the exchange knows."""
    return [{"trader": trader} for trader in Exchange(ROOT / "data").traders]


@dataclass
class ReplayParams:
    """Parameters of `orders.replay`: amounts in dollars, as text so that cents stay exact."""

    opening_cash: str
    fee: str


@processor("orders.replay", params=ReplayParams)
def fill_orders(job: ThreadJob, params: ReplayParams) -> dict[str, Any]:
    """Fills the orders at the prices of their days."""
    orders = job.data["orders"]
    histories = _read_histories({order["symbol"] for order in orders})
    replay = replay_orders(orders, histories, opening_cash=params.opening_cash, fee=params.fee)
    job.log(f"{len(replay['fills'])} orders filled, {len(replay['refused'])} refused")
    return replay


@processor("balances.value")
def value_balances(job: ThreadJob) -> dict[str, Any]:
    """Adds to the filled orders what the account is worth after them."""
    replay = job.data["replay"]
    histories = _read_histories({fill["symbol"] for fill in replay["fills"]})
    return {**replay, **value_account(replay["opening_cash"], replay["fills"], histories)}


@processor("reports.write")
def write_report(job: ThreadJob) -> dict[str, Any]:
    """Writes the report as a page and as numbers; written again, both are the same."""
    statement = job.data["statement"]
    statistics = {known["symbol"]: known for known in job.data["statistics"]}
    page = draw_page(statement, statistics, _read_histories(set(statistics)))
    numbers = {"account": statement, "symbols": statistics}
    _write(OUT / "report.html", page)
    _write(OUT / "report.json", json.dumps(numbers, indent=1))
    return {
        "page": ".toril/out/report.html",
        "as_of": statement["as_of"],
        "equity": statement["equity"],
        "opening_cash": statement["opening_cash"],
        "filled": len(statement["fills"]),
        "refused": len(statement["refused"]),
    }


@processor("reports.refusals")
def list_refusals(job: ThreadJob) -> dict[str, Any]:
    """Writes the orders that were refused, one a line, each with the reason."""
    lines = [f"{order['id']}: {order['reason']}\n" for order in job.data["refused"]]
    _write(OUT / "refusals.txt", "".join(lines))
    return {"refused": len(lines)}


@dataclass
class MailParams:
    """Parameters of `notifications.mail`."""

    to: list[str]


@processor("notifications.mail", params=MailParams)
def send_mail(job: ThreadJob, params: MailParams) -> dict[str, Any]:
    """Writes the mail that tells of the report; a real one would be sent here."""
    _write(OUT / "mail.txt", write_mail(job.data["report"], to=params.to))
    return {"to": params.to}


@processor("dead_letters.keep")
def keep_dead_letter(job: ThreadJob) -> dict[str, Any]:
    """Keeps a dead letter as a file of its own, for a human to look at."""
    path = OUT / "dead-letters" / f"{job.data['id']}.json"
    _write(path, json.dumps(job.data, indent=1))
    return {"kept": path.name}


@hookimpl
def toril_processors() -> list[object]:
    """Brings them all."""
    return [
        load_history,
        compute_returns,
        compute_volatility,
        compute_averages,
        fetch_orders,
        sync_orders,
        fill_orders,
        value_balances,
        write_report,
        list_refusals,
        send_mail,
        keep_dead_letter,
    ]


@hookimpl
def toril_sources() -> list[object]:
    """Brings the one source."""
    return [list_traders]


def _read_histories(symbols: set[str]) -> dict[str, History]:
    return {symbol: read_history(PRICES, symbol) for symbol in sorted(symbols)}


def _write(path: Path, text: str) -> None:
    """Writes a whole file or nothing: a reader, or a crash, never meets half of one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)
