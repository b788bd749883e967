"""Runs the benchmarks: `python -m benchmarks [--only NAMES] [--peers NAMES] [--rounds N]`."""

from __future__ import annotations

import argparse
import signal
import sys
from collections import defaultdict
from collections.abc import Sequence

from benchmarks.harness.bench import Bench, Measurement, open_bench
from benchmarks.harness.contenders import NAMES, is_installed
from benchmarks.measurements import MEASUREMENTS
from benchmarks.report.tables import format_table


def main() -> None:
    """Measures, shows, and writes down what a whole run gave."""
    arguments = parse_arguments()
    # So that `finally` runs, and with it the end of everything that was started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with open_bench(arguments.peers, arguments.rounds) as bench:
        for measurement in arguments.only:
            rows = measure(bench, measurement)
            print(format_table(measurement, rows), flush=True)
    for failure in bench.failures:
        print(failure, file=sys.stderr)
    sys.exit(1 if bench.failures else 0)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="benchmarks", description="Measures Toril and its peers.")
    parser.add_argument(
        "--only",
        type=parse_measurements,
        default=[one for one in MEASUREMENTS if not one.on_request],
    )
    parser.add_argument("--peers", type=parse_peers, default=[n for n in NAMES if is_installed(n)])
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


def parse_measurements(text: str) -> list[Measurement]:
    """Gives the measurements that names, or beginnings of names, stand for."""
    wanted = text.split(",")
    chosen = [one for one in MEASUREMENTS if one.name.startswith(tuple(wanted))]
    for name in wanted:
        if not any(one.name.startswith(name) for one in chosen):
            known = ", ".join(one.name for one in MEASUREMENTS)
            raise argparse.ArgumentTypeError(
                f"no measurement is called {name!r}; there are {known}"
            )
    return chosen


def parse_peers(text: str) -> list[str]:
    """Gives the contenders of these names."""
    for name in (names := text.split(",")):
        if name not in NAMES:
            raise argparse.ArgumentTypeError(
                f"no contender is called {name!r}; there are {', '.join(NAMES)}"
            )
        if not is_installed(name):
            raise argparse.ArgumentTypeError(f"{name} is not installed; `make peers` does it")
    return names


def measure(bench: Bench, measurement: Measurement) -> dict[str, dict[str, Sequence[float]]]:
    """Runs all rounds of a measurement."""
    rows: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for row, values in measurement.run(bench):
        for metric, value in values.items():
            rows[row][metric].append(value)
    return {row: dict(of) for row, of in rows.items()}


if __name__ == "__main__":
    main()
