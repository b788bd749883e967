"""`toril job retry --all`, `toril job promote --all`: moving many jobs of a queue."""

from __future__ import annotations

import click

from toril.cli.connect import find_queue, open_client
from toril.cli.output import format_jobs, print_json
from toril.cli.progress import showing_progress


def retry_all(place: tuple[str, ...], state: str, *, as_json: bool) -> None:
    """Runs the failed, or completed, jobs of the queue that stands alone in `place` again."""
    name = _read_queue(place)
    with open_client() as client:
        queue = client.queue(find_queue(client, name).name)
        with showing_progress(f"retrying {name}", getattr(queue.counts(), state)) as tell:
            done = queue.retry_jobs(state, on_progress=tell)
    if as_json:
        print_json({"queue": name, "retried": done.retried, "refused": done.refused})
        return
    click.echo(f"retried {format_jobs(done.retried)} of {name}")
    if done.refused:
        click.echo(
            f"{format_jobs(done.refused)} left {state}: "
            "jobs of other queues that failed them have to be retried first"
        )


def promote_all(place: tuple[str, ...], *, as_json: bool) -> None:
    """Makes all delayed jobs of the queue that stands alone in `place` due now."""
    name = _read_queue(place)
    with open_client() as client:
        queue = client.queue(find_queue(client, name).name)
        with showing_progress(f"promoting {name}", queue.counts().delayed) as tell:
            promoted = queue.promote_jobs(on_progress=tell)
    if as_json:
        print_json({"queue": name, "promoted": promoted})
    else:
        click.echo(f"promoted {format_jobs(promoted)} of {name}")


def _read_queue(place: tuple[str, ...]) -> str:
    if len(place) != 1:
        raise click.UsageError(f"expected QUEUE alone with --all, got {len(place)} words")
    return place[0]
