"""The `toril` command: its options and the table of its commands.

Exit codes: 0 done, 1 the answer is no, 2 wrong usage, 3 no Redis.
"""

from __future__ import annotations

import click

from toril.cli.groups import Entry, LazyGroup
from toril.cli.options import directory_option

#: Commands load on demand, so that `--help` and `--version` cost no Redis and no YAML.
COMMANDS = {
    "init": Entry("toril.cli.init:init", "Write a small working pipeline into a directory."),
    "check": Entry("toril.cli.check:check", "Check a pipeline and print every problem."),
    "run": Entry("toril.cli.run:run", "Run a pipeline's workers and schedules."),
    "add": Entry("toril.cli.add:add", "Add a job."),
    "flow": Entry("toril.cli.flow:flow", "Start flows, look at runs, cancel and retry them."),
    "status": Entry("toril.cli.status:status", "Show how many jobs each queue holds."),
    "job": Entry("toril.cli.job:job", "Show, list, retry, cancel and remove jobs."),
    "queue": Entry("toril.cli.queue:queue", "List, pause, limit and empty queues."),
    "dead": Entry("toril.cli.dead:dead", "Show dead letters, send them back, remove them."),
    "schedule": Entry("toril.cli.schedule:schedule", "List schedules and their next ticks."),
    "plugin": Entry("toril.cli.plugin:plugin", "List plugins and what they bring."),
    "doctor": Entry("toril.cli.doctor:doctor", "Find what is wrong with the Redis in use."),
}


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    if not wanted:
        return
    from importlib.metadata import version

    click.echo(f"toril {version('toril')}")
    ctx.exit()


@click.group(
    cls=LazyGroup,
    entries=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"]},
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
@directory_option
def main() -> None:
    """Runs background jobs declared in YAML, on Redis or Valkey.

    Start with `toril init DIR`, then `toril run DIR`.
    """
