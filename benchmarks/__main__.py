"""Runs the benchmarks: `python -m benchmarks [--only NAMES] [--peers NAMES] [--rounds N]`.

A run of everything writes `results/latest.json` and `docs/performance.md`; a narrowed one is shown
on the terminal, and kept if `--json` names a file.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

from benchmarks.harness.bench import Bench, Measurement, open_bench
from benchmarks.harness.contenders import is_installed
from benchmarks.harness.machine import describe_run
from benchmarks.measurements import MEASUREMENTS
from benchmarks.names import NAMES
from benchmarks.report.page import LATEST, write_page
from benchmarks.report.results import Results, Table, load_results, save_results
from benchmarks.report.tables import format_text
from benchmarks.report.targets import format_verdicts


def main() -> None:
    """Measures, shows, and writes down what a whole run gave."""
    arguments = parse_arguments()
    if arguments.page:
        write_page(load_results(LATEST))
        return
    # So that `finally` runs, and with it the end of everything that was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    missing = [name for name in arguments.peers or NAMES if not is_installed(name)]
    if missing:
        print(f"not installed, left out: {', '.join(missing)}; `make peers`", file=sys.stderr)
    peers = [name for name in arguments.peers or NAMES if name not in missing]
    whole = not (arguments.only or arguments.peers)
    chosen = arguments.only or [one for one in MEASUREMENTS if not one.on_request]
    results = run(chosen, peers, arguments.rounds)
    print(format_verdicts(results))
    for failure in results.failures:
        print(failure, file=sys.stderr)
    if whole or arguments.json:
        save_results(results, arguments.json or LATEST)
    if whole:
        write_page(results)
    sys.exit(1 if results.failures else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures Toril and its peers.")
    parser.add_argument("--only", type=parse_measurements, help="measurements, or beginnings")
    parser.add_argument("--peers", type=parse_peers, help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, help="where to keep what was measured")
    parser.add_argument(
        "--page", action="store_true", help="only write docs/performance.md, from the last results"
    )
    return parser.parse_args()


def parse_measurements(text: str) -> list[Measurement]:
    """Gives the measurements that names, or beginnings of names, stand for."""
    for name in (wanted := text.split(",")):
        if not any(one.name.startswith(name) for one in MEASUREMENTS):
            known = ", ".join(one.name for one in MEASUREMENTS)
            raise argparse.ArgumentTypeError(
                f"no measurement is called {name!r}; there are {known}"
            )
    return [
        one
        for one in MEASUREMENTS
        if one.name in wanted or (one.name.startswith(tuple(wanted)) and not one.on_request)
    ]


def parse_peers(text: str) -> list[str]:
    """Gives the contenders of these names."""
    for name in (names := text.split(",")):
        if name not in NAMES:
            known = ", ".join(NAMES)
            raise argparse.ArgumentTypeError(f"no contender is called {name!r}; there are {known}")
    return names


def run(chosen: Sequence[Measurement], peers: Sequence[str], rounds: int) -> Results:
    """Makes the measurements one after the other, and shows each when it is made."""
    tables = {}
    with open_bench(peers, rounds) as bench:
        for measurement in chosen:
            try:
                table = tables[measurement.name] = measure(bench, measurement)
            except Exception as error:  # noqa: BLE001 - what the others gave must not be lost
                bench.failures.append(f"{measurement.name}: {type(error).__name__}: {error}")
                continue
            print(format_text(table), flush=True)
        about = describe_run(bench)
    return Results(about=about, tables=tables, failures=bench.failures)


def measure(bench: Bench, measurement: Measurement) -> Table:
    """Runs all rounds of a measurement."""
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, values in measurement.run(bench):
        for metric, value in values.items():
            rows[row][metric].append(value)
    return Table(
        name=measurement.name,
        title=measurement.title,
        metrics=measurement.metrics,
        rows={row: dict(of) for row, of in rows.items()},
    )


if __name__ == "__main__":
    main()
