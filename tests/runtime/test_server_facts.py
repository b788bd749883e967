"""What a real server tells of itself."""

from __future__ import annotations

from typing import Any

from toril.runtime.calls.server import gather_facts, read_server, read_settings


async def test_a_real_server_tells_all_of_it(sender: Any) -> None:
    info = await sender.send(read_server())
    settings = await sender.send_many(read_settings())

    facts = gather_facts(info, settings)

    assert facts.software in ("Valkey", "Redis")
    assert (facts.persistence, facts.fsync, facts.writes_work) == ("none", None, True)
    assert facts.used_memory > 0
