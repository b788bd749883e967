"""`toril flow`: starts runs of flows, shows and lists them, retries what failed of one."""

from __future__ import annotations

import json

import click

from toril.cli.arguments import parse_data
from toril.cli.connect import open_client
from toril.cli.groups import NounGroup
from toril.cli.options import directory_option, format_option
from toril.cli.output import ANSWER_IS_NO, cut_text, print_json, print_table
from toril.cli.waiting import check_wait, wait_options, waiting_for, warn_if_idle
from toril.declarations.instants import format_instant
from toril.runtime.runs import RunView, StepView


@click.group(cls=NounGroup, short_help="Start flows, look at runs, cancel and retry them.")
def flow() -> None:
    """Starts flows, looks at their runs and retries them."""


@flow.command("start", short_help="Start a run of a flow.")
@click.argument("name", metavar="FLOW")
@click.argument("words", metavar="[KEY=VALUE]...", nargs=-1)
@click.option(
    "--data", "text", metavar="JSON", help="The inputs; KEY=VALUE words are set over them."
)
@click.option("--id", "run_id", metavar="ID", help="The run's id; one that exists starts nothing.")
@wait_options
@directory_option
@format_option
def start(
    name: str,
    words: tuple[str, ...],
    text: str | None,
    run_id: str | None,
    wait: bool,
    timeout: str | None,
    as_json: bool,
) -> None:
    """Starts a run of FLOW with the inputs KEY=VALUE and prints its id.

    With --wait the end of every step is printed, and the exit code is 1 if the run failed.
    """
    check_wait(timeout, wait=wait)
    inputs = parse_data(words, text)
    with open_client() as client:
        run = client.start_flow(name, inputs, run_id=run_id)
        if wait:
            steps = client.pipeline.flows[name].steps.values()
            with waiting_for(f"run {run.run!r} of flow {name!r}"):
                warn_if_idle(client, [client.pipeline.queue_of_step(step) for step in steps])
                view = run.wait(timeout)
        elif as_json:
            view = run.state()
        else:
            click.echo(run.run)
            return
    _show(view, as_json=as_json)
    if view.state == "failed":
        raise click.exceptions.Exit(ANSWER_IS_NO)


@flow.command("show", short_help="Show a run, step by step.")
@click.argument("run_id", metavar="RUN")
@directory_option
@format_option
def show(run_id: str, as_json: bool) -> None:
    """Shows how a run stands: the state, and the result or error, of each step."""
    with open_client() as client:
        view = client.find_run(run_id).state()
    _show(view, as_json=as_json)


@flow.command("list", short_help="List runs.")
@click.argument("name", metavar="[FLOW]", required=False)
@click.option(
    "--limit",
    type=click.IntRange(1, 1000),
    default=20,
    show_default=True,
    help="At most so many of each flow.",
)
@directory_option
@format_option
def list_runs(name: str | None, limit: int, as_json: bool) -> None:
    """Lists the runs of FLOW, or of all flows, that are still there; the newest first."""
    with open_client() as client:
        names = [name] if name else list(client.pipeline.flows)
        runs = [run for one in names for run in client.list_runs(one, limit=limit)]
        states = [client.find_run(run.run).state().state for run in runs]
    shapes = [
        {
            "run": run.run,
            "flow": run.flow,
            "state": state,
            "started_at": format_instant(run.started_ms),
        }
        for run, state in zip(runs, states, strict=True)
    ]
    if as_json:
        print_json({"runs": shapes})
        return
    rows = [tuple(shape.values()) for shape in shapes]
    print_table(("run", "flow", "state", "started"), rows, empty="there is no run")


@flow.command("retry", short_help="Run the failed steps of a run again.")
@click.argument("run_id", metavar="RUN")
@directory_option
@format_option
def retry(run_id: str, as_json: bool) -> None:
    """Runs the failed steps of RUN again; those that completed stay as they are."""
    with open_client() as client:
        steps = client.find_run(run_id).retry()
    if as_json:
        print_json({"run": run_id, "retried": steps})
    else:
        click.echo(f"run {run_id} goes on from {', '.join(steps)}")


@flow.command("cancel", short_help="Cancel a run.")
@click.argument("run_id", metavar="RUN")
@click.option("--reason", metavar="TEXT", help="Why; it is stored with the jobs.")
@directory_option
@format_option
def cancel(run_id: str, reason: str | None, as_json: bool) -> None:
    """Cancels the steps of RUN that have not ended; what runs of them is told to stop."""
    with open_client() as client:
        steps = client.find_run(run_id).cancel(reason)
    if as_json:
        print_json({"run": run_id, "cancelled": steps})
    else:
        click.echo(f"cancelled {', '.join(steps)} of run {run_id}")


def _show(view: RunView, *, as_json: bool) -> None:
    if as_json:
        print_json(view.as_json())
        return
    click.echo(f"run {view.run} of {view.flow} {view.state}")
    rows = [(name, _word_state(step), _word_end(step)) for name, step in view.steps.items()]
    print_table(("step", "state", "result or error"), rows, empty="no step")


def _word_end(step: StepView) -> str | None:
    return cut_text(step.error or json.dumps(step.result, ensure_ascii=False))


def _word_state(step: StepView) -> str:
    if step.items is None:
        return step.state
    failed = f", {step.items.failed} failed" if step.items.failed else ""
    return f"{step.state} ({step.items.completed} of {step.items.total}{failed})"
