"""The report: one HTML page that holds everything it shows, charts and style included."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

from backoffice.charts import Line, draw_lines
from backoffice.history import History
from backoffice.indicators import moving_average
from backoffice.tables import (
    draw_table,
    format_change,
    format_gain,
    format_money,
    format_percent,
)

STYLE = Path(__file__).with_name("report.css")
#: The chart of the whole market shows every fifth trading day: one a week.
WEEK = 5
#: The charts of moving averages show this many trading days: about two years.
RECENT = 504


def draw_page(
    statement: Mapping[str, Any],
    statistics: Mapping[str, Mapping[str, Any]],
    histories: Mapping[str, History],
) -> str:
    """Draws the whole page; the same numbers give the same text."""
    sections = [
        *_draw_summary(statement),
        *_draw_account(statement),
        *_draw_market(statistics, histories),
        *_draw_averages(statistics, histories),
        *_draw_orders(statement),
    ]
    return _PAGE.format(
        as_of=escape(statement["as_of"]),
        style=STYLE.read_text(encoding="utf-8"),
        body="\n".join(sections),
    )


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Back office, {as_of}</title>
<style>
{style}</style>
</head>
<body><main>
{body}
</main></body>
</html>
"""


def _draw_summary(statement: Mapping[str, Any]) -> Iterator[str]:
    opening, equity = statement["opening_cash"], statement["equity"]
    figures = {
        "Account": f"{equity:,.0f}",
        "Since opening": format_change(equity / opening - 1),
        "Cash": f"{statement['cash']:,.0f}",
        "Realized": format_gain(statement["realized"], cents=0),
        "Unrealized": format_gain(statement["unrealized"], cents=0),
        "Fees": f"{statement['fees']:,.0f}",
    }
    yield f"<h1>Back office, {escape(statement['as_of'])}</h1>"
    yield (
        '<p class="soft">Real daily prices, 2000 to 2013; made-up orders. All in dollars, from '
        "prices adjusted for splits and dividends, so shares are counted as of today.</p>"
    )
    yield '<div class="figures">'
    yield from (
        f'<div class="card"><span class="soft">{name}</span><b>{value}</b></div>'
        for name, value in figures.items()
    )
    yield "</div>"


def _draw_account(statement: Mapping[str, Any]) -> Iterator[str]:
    months = [(month["date"], month["equity"]) for month in statement["months"]]
    opening = [(date, statement["opening_cash"]) for date, _ in months]
    yield "<h2>The account, month by month</h2>"
    yield '<p class="soft">Cash and shares on the last trading day of each month.</p>'
    lines = [
        Line(label="opening", color="faint", points=opening),
        Line(label="account", color="ink", points=months),
    ]
    chart = draw_lines(lines, title="Worth of the account", from_zero=True)
    yield f'<div class="card">{chart}</div>'
    yield '<h2>Positions and years</h2><div class="pair"><div class="card">'
    yield draw_table(
        ["Symbol", "Shares", "Price", "Value", "Unrealized"],
        (
            [
                escape(position["symbol"]),
                f"{position['shares']:,}",
                format_money(position["price"]),
                format_money(position["value"]),
                format_gain(position["unrealized"]),
            ]
            for position in statement["positions"]
        ),
    )
    yield '</div><div class="card">'
    yield draw_table(
        ["Year", "Account at its end", "Change"],
        (
            [str(year["year"]), format_money(year["equity"]), format_change(year["change"])]
            for year in statement["years"]
        ),
    )
    yield "</div></div>"


def _draw_market(
    statistics: Mapping[str, Mapping[str, Any]], histories: Mapping[str, History]
) -> Iterator[str]:
    lines = [
        Line(
            label=symbol,
            color=symbol.lower(),
            points=_growth(history),
        )
        for symbol, history in histories.items()
    ]
    chart = draw_lines(lines, title="Growth of one dollar", logarithmic=True)
    yield "<h2>The market</h2>"
    yield (
        '<p class="soft">What one dollar became, from the first day of each symbol; '
        "the scale is logarithmic.</p>"
    )
    yield f'<div class="card">{chart}</div><br><div class="card">'
    yield draw_table(
        [
            "Symbol",
            "From",
            "Days",
            "Return",
            "A year",
            "Best day",
            "Worst day",
            "Volatility",
            "Deepest fall",
        ],
        (_statistics_row(symbol, known) for symbol, known in statistics.items()),
    )
    yield "</div>"


def _statistics_row(symbol: str, known: Mapping[str, Any]) -> list[str]:
    returns, volatility = known["returns"], known["volatility"]
    return [
        escape(symbol),
        escape(known["history"]["first"]),
        f"{known['history']['days']:,}",
        format_change(returns["total"]),
        format_change(returns["per_year"]),
        format_change(returns["best_day"]["change"]),
        format_change(returns["worst_day"]["change"]),
        format_percent(volatility["per_year"]),
        format_percent(volatility["deepest_fall"]),
    ]


def _draw_averages(
    statistics: Mapping[str, Mapping[str, Any]], histories: Mapping[str, History]
) -> Iterator[str]:
    yield "<h2>Moving averages</h2>"
    yield (
        '<p class="soft">The last two years. The short average above the long one is read as '
        "a rising market.</p>"
    )
    yield '<div class="pair">'
    for symbol, history in histories.items():
        averages = statistics[symbol]["averages"]
        yield f'<div class="card"><h3>{escape(symbol)}</h3>'
        yield f'<p class="soft">{escape(_describe_signal(averages))}</p>'
        yield draw_lines(
            _average_lines(history, averages),
            title=f"{symbol} and its moving averages",
            width=480,
            height=240,
        )
        yield "</div>"
    yield "</div>"


def _describe_signal(averages: Mapping[str, Any]) -> str:
    short, long = averages["short_days"], averages["long_days"]
    if averages["long"] is None:
        return f"Traded for fewer than {long} days"
    since = averages["last_crossing"] or "the beginning"
    return f"{short} days {averages['signal']} {long} days since {since}"


def _average_lines(history: History, averages: Mapping[str, Any]) -> list[Line]:
    short = moving_average(history.adjusted, averages["short_days"])
    long = moving_average(history.adjusted, averages["long_days"])
    lines = [
        Line(label="price", color="faint", points=_recent(history, history.adjusted)),
        Line(label="short", color=history.symbol.lower(), points=_recent(history, short)),
        Line(label="long", color="dashed", points=_recent(history, long)),
    ]
    return [line for line in lines if line.points]


def _draw_orders(statement: Mapping[str, Any]) -> Iterator[str]:
    fills, refused = statement["fills"], statement["refused"]
    yield f"<h2>Orders: {len(fills)} filled, {len(refused)} refused</h2>"
    yield '<div class="card">'
    yield draw_table(
        ["Order", "Date", "Trader", "Refused order", "Why"],
        ([*_order_cells(order), escape(order["reason"])] for order in refused),
        text=5,
    )
    yield '</div><br><div class="card">'
    yield draw_table(
        ["Order", "Filled on", "Trader", "Order", "Price", "Total", "Cash after"],
        (
            [
                *_order_cells(fill),
                format_money(fill["price"]),
                format_money(fill["total"]),
                format_money(fill["cash_after"]),
            ]
            for fill in fills
        ),
        text=4,
    )
    yield "</div>"


def _order_cells(order: Mapping[str, Any]) -> list[str]:
    date = order.get("filled_on", order["date"])
    what = f"{order['side']} {order['quantity']:,} {order['symbol']}"
    return [escape(text) for text in (order["id"], date, order["trader"], what)]


def _growth(history: History) -> list[tuple[str, float]]:
    """Pairs every fifth day, and the last, with what one dollar had become."""
    picked = [*range(0, len(history.dates) - 1, WEEK), len(history.dates) - 1]
    return [(history.dates[i], history.adjusted[i] / history.adjusted[0]) for i in picked]


def _recent(history: History, values: Sequence[float | None]) -> list[tuple[str, float]]:
    """Pairs the last days with their values; leaves out what is not known."""
    days = list(zip(history.dates, values, strict=True))[-RECENT:]
    return [(date, value) for date, value in days if value is not None]
