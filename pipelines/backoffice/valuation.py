"""What the account is worth: now and per position, month by month, year by year."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import pairwise
from typing import Any

from backoffice.history import History
from backoffice.ledger import Account, exact, read_trade, round_money


def value_account(
    opening_cash: float, fills: Sequence[Mapping[str, Any]], histories: Mapping[str, History]
) -> dict[str, Any]:
    """Values the account after all fills, at the last prices; gives JSON."""
    account = Account(cash=exact(opening_cash))
    for fill in fills:
        account.apply(read_trade(fill))
    positions = [
        _value_position(account, history)
        for history in histories.values()
        if account.shares.get(history.symbol)
    ]
    months = _value_months(opening_cash, fills, histories)
    return {
        "as_of": months[-1]["date"],
        "cash": float(account.cash),
        "equity": months[-1]["equity"],
        "realized": float(account.realized),
        "unrealized": float(sum(exact(position["unrealized"]) for position in positions)),
        "fees": float(account.fees),
        "positions": sorted(positions, key=lambda position: -position["value"]),
        "months": months,
        "years": _summarize_years(opening_cash, months),
    }


def _value_position(account: Account, history: History) -> dict[str, Any]:
    shares, cost = account.shares[history.symbol], account.cost[history.symbol]
    value = round_money(shares * exact(history.adjusted[-1]))
    return {
        "symbol": history.symbol,
        "shares": shares,
        "cost": float(cost),
        "price": history.adjusted[-1],
        "value": float(value),
        "unrealized": float(value - cost),
    }


def _value_months(
    opening_cash: float, fills: Sequence[Mapping[str, Any]], histories: Mapping[str, History]
) -> list[dict[str, Any]]:
    account, pending, months = Account(cash=exact(opening_cash)), list(fills), []
    for date in _month_ends(histories):
        while pending and pending[0]["filled_on"] <= date:
            account.apply(read_trade(pending.pop(0)))
        months.append({"date": date, "equity": float(_equity_on(date, account, histories))})
    return months


def _month_ends(histories: Mapping[str, History]) -> list[str]:
    """Lists the last trading day of each month."""
    days = sorted({date for history in histories.values() for date in history.dates})
    return [day for day, after in pairwise([*days, ""]) if day[:7] != after[:7]]


def _equity_on(date: str, account: Account, histories: Mapping[str, History]) -> Decimal:
    values = (
        round_money(shares * exact(histories[symbol].adjusted_on(date)))
        for symbol, shares in account.shares.items()
        if shares
    )
    return sum(values, account.cash)


def _summarize_years(
    opening_cash: float, months: Sequence[Mapping[str, Any]]
) -> list[dict[str, Any]]:
    year_ends = {month["date"][:4]: month["equity"] for month in months}
    starts = [opening_cash, *year_ends.values()]
    return [
        {"year": int(year), "equity": equity, "change": equity / start - 1}
        for (year, equity), start in zip(year_ends.items(), starts, strict=False)
    ]
