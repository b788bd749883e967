"""The targets, and whether a run meets them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from benchmarks.names import PEERS, PYTHON_PEERS, REFERENCE, TORIL
from benchmarks.report.results import Results
from benchmarks.report.tables import format_value, join_table

CONCURRENCIES = ("noop-1", "noop-50", "noop-200")
#: What must not cost more at a million jobs.
FLAT_CALLS = ("add", "claim", "claim, then settle", "counts", "newest 50 waiting")


@dataclass(frozen=True, kw_only=True, slots=True)
class Verdict:
    """What a run says of a target."""

    measured: str
    met: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """What is aimed at, and how results are held against it."""

    what: str
    aim: str
    judge: Callable[[Results], Verdict | None]


def judge_ratio(
    table: str, metric: str, *, least: float | None = None, most: float | None = None
) -> Callable[[Results], Verdict | None]:
    """Gives what compares Toril with BullMQ for Node."""

    def judge(results: Results) -> Verdict | None:
        medians = results.find_medians(table, metric)
        return _compare(medians.get(TORIL), medians.get(REFERENCE), least=least, most=most)

    return judge


def judge_best_noop(peers: Iterable[str], *, least: float) -> Callable[[Results], Verdict | None]:
    """Gives what compares the best rates over all concurrencies."""

    def judge(results: Results) -> Verdict | None:
        rates = [results.find_medians(table, "rate") for table in CONCURRENCIES]
        ours = [of[TORIL] for of in rates if TORIL in of]
        theirs = [of[peer] for of in rates for peer in peers if peer in of]
        return _compare(max(ours, default=None), max(theirs, default=None), least=least)

    return judge


def judge_full_server(results: Results) -> Verdict | None:
    """Compares what the server and our processes have of a core at our best concurrency."""
    best = max(CONCURRENCIES, key=lambda table: results.find_medians(table, "rate").get(TORIL, 0))
    rate = results.find_medians(best, "rate").get(TORIL)
    if rate is None:
        return None
    server, ours = (
        results.find_medians(best, metric)[TORIL] / 10_000 * rate
        for metric in ("server_cpu", "workers_cpu")
    )
    return Verdict(
        measured=f"server {server:.2f} of a core, Toril {ours:.2f}", met=server > max(ours, 0.85)
    )


def judge_no_peer_better(
    table: str, metric: str, *, more_is_better: bool
) -> Callable[[Results], Verdict | None]:
    """Gives what compares Toril with the best peer."""

    def judge(results: Results) -> Verdict | None:
        medians = results.find_medians(table, metric)
        peers = {peer: medians[peer] for peer in PEERS if peer in medians}
        if TORIL not in medians or not peers:
            return None
        best = (max if more_is_better else min)(peers, key=peers.__getitem__)
        ours, theirs = medians[TORIL], peers[best]
        return Verdict(
            measured=f"{format_value(ours)}; {best} {format_value(theirs)}",
            met=ours >= theirs if more_is_better else ours <= theirs,
        )

    return judge


def judge_value(
    table: str, metric: str, *, row: str = TORIL, least: float = 0, most: float = float("inf")
) -> Callable[[Results], Verdict | None]:
    """Gives what looks at a value by itself."""

    def judge(results: Results) -> Verdict | None:
        value = results.find_medians(table, metric).get(row)
        if value is None:
            return None
        return Verdict(measured=format_value(value), met=least <= value <= most)

    return judge


def judge_flat(results: Results) -> Verdict | None:
    """Compares calls at a million jobs with the same calls at a thousand."""
    small, large = (results.find_medians("length", length) for length in ("1000", "1000000"))
    growths: Mapping[str, float] = {
        call: large[call] / small[call] - 1 for call in FLAT_CALLS if call in large
    }
    if not growths:
        return None
    return Verdict(
        measured=", ".join(f"{call} {growth:+.0%}" for call, growth in growths.items()),
        met=max(growths.values()) <= 0.15,
    )


def _compare(
    ours: float | None,
    theirs: float | None,
    *,
    least: float | None = None,
    most: float | None = None,
) -> Verdict | None:
    if ours is None or theirs is None:
        return None
    ratio = ours / theirs
    met = (least is None or ratio >= least) and (most is None or ratio <= most)
    return Verdict(measured=f"{ratio:.2f}x", met=met)


TARGETS = (
    Target(
        what="no-op jobs, one worker process, best concurrency",
        aim="at least 2.5x BullMQ for Node",
        judge=judge_best_noop([REFERENCE], least=2.5),
    ),
    Target(
        what="the same",
        aim="10x every Python peer",
        judge=judge_best_noop(PYTHON_PEERS, least=10),
    ),
    Target(what="the same", aim="the server's core full, not ours", judge=judge_full_server),
    Target(
        what="no-op jobs, concurrency 1",
        aim="1.5x BullMQ for Node",
        judge=judge_ratio("noop-1", "rate", least=1.5),
    ),
    Target(
        what="server CPU per 10,000 no-op jobs",
        aim="at most 0.4x BullMQ's",
        judge=judge_ratio("noop-50", "server_cpu", most=0.4),
    ),
    Target(
        what="add in bulk",
        aim="3x BullMQ for Node",
        judge=judge_ratio("add", "bulk", least=3),
    ),
    Target(
        what="add, 100 at once",
        aim="1.7x BullMQ for Node",
        judge=judge_ratio("add", "concurrent", least=1.7),
    ),
    Target(
        what="add one at a time, async",
        aim="no peer faster",
        judge=judge_no_peer_better("add", "async", more_is_better=True),
    ),
    Target(
        what="add one at a time, sync",
        aim="no peer faster",
        judge=judge_no_peer_better("add", "sync", more_is_better=True),
    ),
    Target(
        what="pickup on an idle queue, p50 in ms",
        aim="below every peer's",
        judge=judge_no_peer_better("pickup", "p50", more_is_better=False),
    ),
    Target(
        what="pickup on an idle queue, p99 in ms",
        aim="below every peer's",
        judge=judge_no_peer_better("pickup", "p99", more_is_better=False),
    ),
    Target(
        what="I/O-bound, 10 ms at concurrency 100",
        aim="85% of the ideal 10,000/s",
        judge=judge_value("io", "rate", least=8_500),
    ),
    Target(
        what="memory per 100,000 waiting jobs",
        aim="no more than BullMQ's",
        judge=judge_ratio("memory", "memory", most=1),
    ),
    Target(
        what="worker RSS, MB",
        aim="under 60",
        judge=judge_value("noop-50", "rss", most=60),
    ),
    Target(
        what="cost at 1,000,000 waiting jobs against 1,000",
        aim="within 15%",
        judge=judge_flat,
    ),
    Target(
        what="1,000 idle queues, % of a core",
        aim="under 3",
        judge=judge_value("idle-queues", "cpu", most=3),
    ),
    Target(
        what="1,000 idle queues, connections, workers not announced",
        aim="at most 4",
        judge=judge_value(
            "idle-queues", "connections", row=f"{TORIL}, workers not announced", most=4
        ),
    ),
    Target(
        what="flows of 1+10",
        aim="2x BullMQ for Node",
        judge=judge_ratio("flows", "rate", least=2),
    ),
)


def format_targets(results: Results) -> str:
    """Gives the table of targets in Markdown."""
    rows = []
    for target in TARGETS:
        verdict = target.judge(results)
        measured = verdict.measured if verdict else "not measured"
        met = ("met" if verdict.met else "**not met**") if verdict else ""
        rows.append([target.what, target.aim, measured, met])
    return join_table(["what", "target", "measured", ""], rows)


def format_verdicts(results: Results) -> str:
    """Gives a line for each target that results say something of, for a terminal."""
    lines = []
    for target in TARGETS:
        if verdict := target.judge(results):
            met = "met    " if verdict.met else "NOT MET"
            lines.append(f"{met}  {target.what}, {target.aim}: {verdict.measured}")
    return "\n".join(lines)
