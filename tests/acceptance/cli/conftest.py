"""A small pipeline on the test's server, and the command line upon it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from toril.cli.main import main

TOP = """
version: 1
redis: {{url: "{url}", prefix: {prefix}}}
plugins: {{paths: [shop_code.py]}}
defaults: {{timezone: Europe/Zurich}}
"""
SHOP = """
queues:
  orders: {concurrency: 3, lock: 10s}
  mails: {}
  abroad: {served_by: external}
jobs:
  sync:
    queue: orders
    use: shop.sync
    with: {page_size: 5}
    data_schema: {type: object, properties: {user: {type: string}}}
  mail: {queue: mails, use: shop.mail, data_schema: {properties: {n: {type: integer}}}}
  export: {queue: abroad}
flows:
  evening:
    inputs: {type: object, required: [user]}
    steps:
      fetch: {job: sync, data: {user: "${{ inputs.user }}"}}
      send: {job: mail, needs: [fetch], data: {n: "${{ needs.fetch.result.synced }}"}}
  careless:
    steps:
      fetch: {job: sync}
      send: {job: mail, needs: [fetch], data: {n: "${{ needs.fetch.result }}"}}
schedules:
  nightly: {cron: "0 2 * * *", job: sync, data: {user: all}}
  often: {every: 1h, flow: evening, data: {user: all}}
"""
CODE = '''
"""What the shop's jobs do."""
from dataclasses import dataclass

from toril import Unrecoverable, hookimpl, processor


@dataclass
class Paging:
    page_size: int
    start: int = 0


@processor("shop.sync", params=Paging)
async def sync(job, params):
    await job.progress(100)
    await job.log(f"synced {job.data.get('user')}")
    if job.data.get("user") == "nobody":
        raise Unrecoverable("no such user")
    return {"synced": params.page_size}


@processor("shop.mail")
def mail(job):
    return f"sent {job.data}"


@hookimpl
def toril_processors():
    return [sync, mail]
'''


@dataclass(frozen=True)
class Shop:
    """The pipeline's directory, and its commands."""

    root: Path

    def toril(self, *words: str) -> Result:
        """Runs a command in this process."""
        return CliRunner().invoke(main, ["-C", str(self.root), *words])

    def json(self, *words: str) -> Any:
        """Runs a command that must work, and reads its JSON."""
        result = self.toril(*words, "--format", "json")
        assert result.exit_code == 0, result.stderr
        return json.loads(result.stdout)

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts the installed command as a process."""
        command = [str(Path(sys.executable).parent / "toril"), "-C", str(self.root), *words]
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=self.root
        )

    def run_all(self) -> str:
        """Works off everything that is due, and gives the log."""
        process = self.start("run", "--until-idle")
        said, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
        return said + log


@pytest.fixture
def make_shop(tmp_path: Path, prefix: str) -> Callable[[str], Shop]:
    """`make_shop(url)`: the pipeline on that Redis."""

    def make(url: str) -> Shop:
        (tmp_path / "toril.yaml").write_text(TOP.format(url=url, prefix=prefix))
        (tmp_path / "shop.yaml").write_text(SHOP)
        (tmp_path / "shop_code.py").write_text(CODE)
        return Shop(tmp_path)

    return make


@pytest.fixture
def shop(make_shop: Callable[[str], Shop], server: Any) -> Shop:
    """The pipeline on the test's server."""
    return make_shop(server.url)
