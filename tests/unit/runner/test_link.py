"""The runner's link to Redis, where it needs no server."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from toril.clock import SystemClock
from toril.declarations.pipeline import Pipeline, RedisSettings
from toril.errors import RedisUnavailable
from toril.runner import link as link_module
from toril.runner.link import RedisLink


def make_link(url: str, events: list[tuple[str, Mapping[str, Any]]], **hooks: Any) -> RedisLink:
    pipeline = Pipeline(root=Path("/pipelines"), project="test", redis=RedisSettings(url=url))
    return RedisLink(
        pipeline,
        resolve_secret=lambda reference: "redis://:hidden@localhost:1",
        clock=hooks.get("clock", SystemClock()),
        on_event=lambda event, fields: events.append((event, fields)),
        on_offset=hooks.get("on_offset", lambda offset_ms: None),
    )


async def test_a_clock_far_off_is_said_once_and_told_to_workers(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    offsets = iter([400, 5_000, 5_100, 300])

    async def measure(redis: Any) -> int:
        return next(offsets)

    monkeypatch.setattr(link_module, "measure_offset_ms", measure)
    monkeypatch.setattr(link_module, "_PATIENCE_S", 0.0)
    events: list[tuple[str, Mapping[str, Any]]] = []
    told: list[int] = []
    clock = SystemClock()
    link = make_link("redis://localhost:1", events, clock=clock, on_offset=told.append)
    with pytest.raises(RedisUnavailable):
        await link.open()

    for _ in range(4):
        await link._measure()
    await link.close()

    assert told == [400, 5_000, 5_100, 300]
    assert clock.offset_ms == 300
    assert events == [("clock_skewed", {"offset_ms": 5_000})]


async def test_a_secret_url_is_resolved_and_its_password_not_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(link_module, "_PATIENCE_S", 0.0)
    link = make_link("secret://env/REDIS", [])

    with pytest.raises(RedisUnavailable) as caught:
        await link.open()
    await link.close()
    await link.close()

    assert link.url == "redis://:hidden@localhost:1"
    assert "hidden" not in f"{caught.value} {link.address}"


async def test_a_link_that_is_not_open_says_so() -> None:
    with pytest.raises(RedisUnavailable, match="the link to Redis is not open"):
        _ = make_link("embedded", []).sender
