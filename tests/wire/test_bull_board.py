"""bull-board 9 on Toril's queues: what its HTTP API shows, and what becomes of what it does.

`make board` does the same in a browser and keeps the pictures in docs/bull-board/.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import AsyncIterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from tests.wire.board.scene import FOLDER, QUEUES, Board, count, open_board, set_scene

from toril import Client
from toril.runtime.states import JobState


@pytest.fixture
async def client(
    server: Any, prefix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Client]:
    """A client of the shop, whose runner is at work."""
    monkeypatch.setenv("BOARD_URL", server.url)
    monkeypatch.setenv("BOARD_PREFIX", prefix)
    root = shutil.copytree(FOLDER / "pipeline", tmp_path / "shop")
    runner = await asyncio.create_subprocess_exec(
        Path(sys.executable).with_name("toril"), "run", str(root), "--grace", "100ms"
    )
    async with Client.from_config(root) as client:
        yield client
    runner.terminate()
    assert await asyncio.wait_for(runner.wait(), 10) == 0


@pytest.fixture
async def board(server: Any, prefix: str) -> AsyncIterator[Board]:
    async with open_board(server.url.removeprefix("unix://"), prefix) as board:
        yield board


def names(jobs: list[dict[str, Any]]) -> list[str]:
    return sorted(job["name"] for job in jobs)


async def test_bull_board_shows_every_state_of_torils_queues(client: Client, board: Board) -> None:
    ids = await set_scene(client)

    for name in QUEUES:
        shown = await board.queue(name)
        ours = asdict(await count(client, name))
        assert shown["isPaused"] == ours.pop("paused")
        assert shown["counts"] == {state.replace("_", "-"): n for state, n in ours.items()}
        assert shown["hasWorkers"] is True
        # No state in which the queue has no job, and no job that cannot be shown.
        for state, number in shown["counts"].items():
            assert len((await board.queue(name, status=state))["jobs"]) == number
    assert min((await board.queue("orders"))["counts"].values()) > 0

    done = (await board.ask(f"queues/orders/{ids['done']}"))["job"]
    assert (done["progress"], done["returnValue"], done["attempts"]) == (100, {"synced": 120}, 1)
    assert done["isFailed"] is False
    assert await board.ask(f"queues/orders/{ids['done']}/logs") == [
        f"page {page} of 4" for page in (1, 2, 3, 4)
    ]
    [bounced] = (await board.queue("mails", status="failed"))["jobs"]
    assert bounced["failedReason"] == "550 no such mailbox"
    assert bounced["stacktrace"][0].startswith("Traceback")
    [waiting] = (await board.queue("orders", status="waiting-children"))["jobs"]
    assert (waiting["name"], waiting["priority"]) == ("aggregate", 5)


async def test_bull_board_shows_torils_runs_schedules_and_workers(
    client: Client, board: Board
) -> None:
    ids = await set_scene(client)

    for which, state in (("mail", "completed"), ("waiting", "waiting")):
        # Asked of a step, it climbs to the last one, which all others lead to.
        step = ids[which].replace(".mail", ".orders")
        tree = (await board.ask(f"queues/orders/{step}/flow"))["flowRoot"]
        [report] = tree["children"]
        assert (tree["id"], tree["queueName"]) == (ids[which], "mails")
        assert names([tree, report]) == ["aggregate", "send-mail"]
        assert names(report["children"]) == ["fetch-balances", "fetch-orders"]
        assert {child["state"] for child in report["children"]} == {state}

    schedulers = (await board.ask("job-schedulers"))["schedulers"]
    by_id = {one["id"]: one for one in schedulers}
    nightly, reminders = by_id["nightly-sync"], by_id["reminders"]
    assert (nightly["pattern"], nightly["tz"]) == ("30 2 * * *", "Europe/Zurich")
    assert nightly["template"]["data"] == {"user": "all"}
    assert (reminders["every"], reminders["iterationCount"]) == (900_000, 2)
    assert reminders["lastRun"] < reminders["next"]
    assert len((await board.ask("queues/orders/workers"))["workers"]) == 1


async def test_toril_heeds_what_is_done_in_bull_board(client: Client, board: Board) -> None:
    ids = await set_scene(client)
    bounced, later = (client.job("mails", ids[name]) for name in ("bounced", "later"))
    waiting = (await board.queue("orders", status="waiting"))["jobs"]
    syncs = [client.job("orders", job["id"]) for job in waiting if job["name"] == "sync-orders"]

    await board.ask(f"queues/mails/{bounced.id}/retry", "PUT")
    await board.ask(f"queues/mails/{later.id}/promote", "PUT")
    assert await bounced.result("10s") == "sent to nobody"
    assert await later.result("10s") == "sent to everybody"

    new = await board.ask(
        "queues/mails/add", "POST", name="send-mail", data={"to": "you"}, options={}
    )
    assert await client.job("mails", new["job"]["id"]).result("10s") == "sent to you"
    ran = await board.ask("queues/mails/job-schedulers/reminders/run", "PUT")
    assert await client.job("mails", ran["job"]["id"]).result("10s") == "sent to late payers"

    await board.ask("queues/mails/pause", "PUT")
    assert (await count(client, "mails")).paused
    held = await client.add("send-mail", {"to": "me"})
    await board.ask("queues/mails/resume", "PUT")
    assert await held.result("10s") == "sent to me"

    await board.ask(f"queues/orders/{syncs[0].id}/update-data", "PATCH", jobData={"user": "new"})
    assert (await syncs[0].refresh()).data == {"user": "new"}
    await board.ask(f"queues/orders/{syncs[0].id}/priority", "PATCH", priority=9)
    assert await syncs[0].state() == JobState.PRIORITIZED
    await board.ask(f"queues/orders/{syncs[1].id}/clean", "PUT")
    assert await syncs[1].state() == JobState.UNKNOWN
    await board.ask("queues/orders/empty", "PUT")
    assert (await count(client, "orders")).waiting == 0
