"""The desk's account: fills orders at historical prices, or refuses them.

Shares are counted as of today and their prices are the adjusted ones, so that a split neither
makes nor loses money. Money is Decimal inside, and rounded to the cent wherever it moves.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from backoffice.history import History

CENT = Decimal("0.01")


@dataclass(frozen=True, kw_only=True, slots=True)
class Trade:
    """Shares against money."""

    side: str
    symbol: str
    quantity: int
    #: Price times quantity, without the fee.
    total: Decimal
    fee: Decimal


@dataclass(kw_only=True, slots=True)
class Account:
    """Cash and shares, moved by one trade after the other."""

    cash: Decimal
    shares: dict[str, int] = field(default_factory=dict)
    #: What the shares still held were bought for, without fees.
    cost: dict[str, Decimal] = field(default_factory=dict)
    realized: Decimal = Decimal(0)
    fees: Decimal = Decimal(0)

    def why_not(self, trade: Trade) -> str | None:
        """Says why the account cannot make a trade, or nothing."""
        needed = trade.total + trade.fee
        if trade.side == "buy" and needed > self.cash:
            return f"needs {needed:,} in cash, the account has {self.cash:,}"
        held = self.shares.get(trade.symbol, 0)
        if trade.side == "sell" and trade.quantity > held:
            return f"sells {trade.quantity:,} shares, the account holds {held:,}"
        return None

    def apply(self, trade: Trade) -> None:
        """Makes a trade; a sale takes its part of the average cost with it."""
        held = self.shares.get(trade.symbol, 0)
        cost = self.cost.get(trade.symbol, Decimal(0))
        if trade.side == "buy":
            moved_shares, moved_cost = trade.quantity, trade.total
            self.cash -= trade.total
        else:
            moved_shares, moved_cost = -trade.quantity, -round_money(cost * trade.quantity / held)
            self.cash += trade.total
            self.realized += trade.total + moved_cost
        self.shares[trade.symbol] = held + moved_shares
        self.cost[trade.symbol] = cost + moved_cost
        self.cash -= trade.fee
        self.fees += trade.fee


def replay_orders(
    orders: Iterable[Mapping[str, Any]],
    histories: Mapping[str, History],
    *,
    opening_cash: str,
    fee: str,
) -> dict[str, Any]:
    """Fills each order at the close of its day, or of the next trading day; refuses what cannot be.

    Gives `{opening_cash, fills, refused}`, all JSON.
    """
    account = Account(cash=Decimal(opening_cash))
    fills: list[dict[str, Any]] = []
    refused: list[dict[str, Any]] = []
    for order in sorted(orders, key=lambda order: (order["date"], order["id"])):
        outcome = _fill(order, account, histories[order["symbol"]], Decimal(fee))
        (refused if "reason" in outcome else fills).append(outcome)
    return {"opening_cash": float(opening_cash), "fills": fills, "refused": refused}


def read_trade(fill: Mapping[str, Any]) -> Trade:
    """Reads a fill back as the trade it was."""
    return Trade(
        side=fill["side"],
        symbol=fill["symbol"],
        quantity=fill["quantity"],
        total=exact(fill["total"]),
        fee=exact(fill["fee"]),
    )


def exact(number: float) -> Decimal:
    """Reads a float by its shortest text, which is what stood in the file."""
    return Decimal(str(number))


def round_money(amount: Decimal) -> Decimal:
    """Rounds to the cent, halves to the even one."""
    return amount.quantize(CENT)


def _fill(
    order: Mapping[str, Any], account: Account, history: History, fee: Decimal
) -> dict[str, Any]:
    day = history.first_day_from(order["date"])
    if day is None or order["date"] < history.dates[0]:
        return {**order, "reason": f"{order['symbol']} was not traded on {order['date']}"}
    trade = Trade(
        side=order["side"],
        symbol=order["symbol"],
        quantity=order["quantity"],
        total=round_money(order["quantity"] * exact(history.adjusted[day])),
        fee=fee,
    )
    if reason := account.why_not(trade):
        return {**order, "reason": reason}
    account.apply(trade)
    return {
        **order,
        "filled_on": history.dates[day],
        "price": history.adjusted[day],
        "total": float(trade.total),
        "fee": float(trade.fee),
        "cash_after": float(account.cash),
    }
