"""What the tests of the loader share: a pipeline from text, with a plugin of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import msgspec
import pytest
from tenacity.wait import wait_fixed

from toril import hookimpl, processor
from toril.config.loader import Loaded, load_pipeline
from toril.plugins.decorators import backoff
from toril.plugins.manager import PluginManager


class SyncParams(msgspec.Struct):
    page_size: int = 100
    mode: Literal["fast", "full"] = "fast"
    ratio: float | None = None
    key: str = ""


@processor("shop.sync", params=SyncParams)
async def sync(job, params):
    return None


@processor("shop.greet")
def greet(job):
    return None


@backoff("shop.patient")
def patient(declared):
    return wait_fixed(1)


@pytest.fixture(scope="session")
def plugins() -> PluginManager:
    """Toril's own plugins and one with `shop.sync`, `shop.greet` and the backoff `shop.patient`."""
    shop = SimpleNamespace(
        toril_processors=hookimpl(lambda: [sync, greet], specname="toril_processors"),
        toril_backoffs=hookimpl(lambda: [patient], specname="toril_backoffs"),
    )
    return PluginManager.load(extra={"shop": shop})


class Load:
    """Writes a pipeline and loads it.

    Beside what a test gives stand the queues `orders`, `mails` and the external `partner`.
    """

    def __init__(self, root: Path, plugins: PluginManager) -> None:
        self.root = root
        self._plugins = plugins

    def __call__(
        self,
        files: str | Mapping[str, str] = "",
        *,
        top: str = "version: 1\n",
        queues: str = "queues: {orders: {}, mails: {}, partner: {served_by: external}}\n",
        environ: Mapping[str, str] | None = None,
    ) -> Loaded:
        written = {"jobs.yaml": files} if isinstance(files, str) else dict(files)
        for name, text in {"toril.yaml": top, "queues.yaml": queues, **written}.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        return load_pipeline(self.root, plugins=self._plugins, environ=environ or {})

    def told(self, *args: Any, **kwargs: Any) -> list[tuple[int, int, str, str]]:
        """Loads, and gives line, column, code and message of each problem."""
        problems = self(*args, **kwargs).problems
        return [(p.line, p.column, p.code, p.message) for p in problems]


@pytest.fixture
def load(tmp_path: Path, plugins: PluginManager) -> Load:
    """`load(text)` or `load({name: text})` writes a pipeline and loads it."""
    return Load(tmp_path, plugins)
