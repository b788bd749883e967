"""One run of the benchmarks: the server, the contenders, and rounds in which they take turns."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from benchmarks.harness.contenders import Contender, ContenderFailed, Place
from benchmarks.harness.server import Server, run_server
from benchmarks.report.results import Metric

#: What one round of one row gave, by the names of metrics.
Values = Mapping[str, float]
Trial = Callable[[], Values]


@dataclass(kw_only=True)
class Bench:
    """What a measurement works with."""

    server: Server
    contenders: Sequence[Contender]
    rounds: int
    #: What went wrong; the run goes on.
    failures: list[str] = field(default_factory=list)

    def find(self, *features: str, among: Sequence[str] = ()) -> list[Contender]:
        """Gives the contenders that have all of the features, of some or of all."""
        chosen = [one for one in self.contenders if not among or one.name in among]
        return [one for one in chosen if all(one.can(each) for each in features)]

    def take_turns(
        self, trials: Mapping[str, Trial], *, once: Container[str] = ()
    ) -> Iterator[tuple[str, Values]]:
        """Has every row tried once a round, so that a noisy minute hits all of them alike.

        Rows that are to be tried `once` take part in the first round only.
        """
        for number in range(self.rounds):
            for row, trial in trials.items():
                if number > 0 and row in once:
                    continue
                self.empty()
                try:
                    yield row, trial()
                except ContenderFailed as error:
                    self.failures.append(f"{row}: {error}")

    def empty(self) -> None:
        """Removes all that former trials left in Redis."""
        self.server.empty()
        for contender in self.contenders:
            contender.forget()


class Measurement(Protocol):
    """Something that is measured: a table with a row for each contender, or each way."""

    @property
    def name(self) -> str:
        """What one types to have it alone."""

    @property
    def title(self) -> str:
        """What is done and timed, as a title."""

    @property
    def metrics(self) -> Sequence[Metric]:
        """The columns of its table."""

    @property
    def on_request(self) -> bool:
        """Whether it takes too long for a run of everything."""

    def run(self, bench: Bench) -> Iterator[tuple[str, Values]]:
        """Gives the values of every row, round after round."""


@contextlib.contextmanager
def open_bench(names: Sequence[str], rounds: int) -> Iterator[Bench]:
    """Starts the server; ends it and every contender, whatever happens."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="toril-bench-")))
        server = stack.enter_context(run_server(folder))
        contenders = []
        for name in names:
            marks = folder / name
            marks.mkdir()
            place = Place(url=server.url, marks=marks, log=folder / f"{name}.log")
            place.log.touch()
            contender = Contender(name, place)
            stack.callback(contender.close)
            contenders.append(contender)
        yield Bench(server=server, contenders=contenders, rounds=rounds)
