"""Brings a configuration and its Redis together, as far as both clients do it alike."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from toril.config.loader import load_pipeline
from toril.declarations.pipeline import Pipeline
from toril.errors import PluginError
from toril.plugins.manager import PluginManager
from toril.plugins.observers import Observers
from toril.plugins.secrets import is_secret
from toril.runtime.embedded import EmbeddedHandle, open_embedded
from toril.runtime.job import NewJob

DEFAULT_DIRECTORY = "pipelines"

_log = logging.getLogger("toril")


@dataclass(frozen=True, kw_only=True, slots=True)
class Setup:
    """A configuration that was read, and the plugins it loaded."""

    pipeline: Pipeline
    plugins: PluginManager

    def make_observers(self) -> Observers:
        """Makes the lifecycle hooks' caller; what goes wrong in a hook is logged."""
        return Observers(self.plugins, log_event)

    def open_server(self) -> Server:
        """Finds where Redis is, starting the embedded server if that is meant; blocks."""
        settings = self.pipeline.redis
        if settings.url == "embedded":
            embedded = open_embedded(self.pipeline.root, fsync=settings.fsync)
            return Server(url=embedded.url, embedded=embedded)
        if is_secret(settings.url):
            return Server(url=self.plugins.resolve_secret(settings.url))
        return Server(url=settings.url)


@dataclass(frozen=True, kw_only=True, slots=True)
class Server:
    """Where Redis is, and the use of the embedded server if it is that."""

    url: str
    embedded: EmbeddedHandle | None = None

    def revive(self) -> None:
        """Starts the embedded server again if it died; blocks."""
        if self.embedded is not None:
            self.embedded.ensure_running()
            self.embedded.wait_loaded()

    def close(self) -> None:
        """Leaves the embedded server; may come twice."""
        if self.embedded is not None:
            self.embedded.close()


def load_setup(place: str | Path = DEFAULT_DIRECTORY) -> Setup:
    """Reads the configuration in a directory, or beside a `toril.yaml` that is named itself.

    Raises ConfigurationError with every problem; warnings are logged.
    """
    path = Path(place)
    loaded = load_pipeline(path.parent if path.suffix in (".yaml", ".yml") else path)
    pipeline = loaded.require_pipeline()
    if loaded.plugins is None:
        raise PluginError("the plugins of the configuration cannot be loaded")
    for problem in loaded.problems:
        _log.warning("%s", problem)
    return Setup(pipeline=pipeline, plugins=loaded.plugins)


def log_event(event: str, fields: Mapping[str, Any]) -> None:
    """Logs what a client has to tell: an event's stable name and its fields."""
    _log.warning("%s %s", event, " ".join(f"{name}={value!r}" for name, value in fields.items()))


def tell_added(observers: Observers | None, jobs: Iterable[NewJob]) -> None:
    """Tells the hooks of jobs that were stored by this process."""
    if observers is None or not observers.is_watched("toril_job_added"):
        return
    for job in jobs:
        observers.notify("toril_job_added", queue=job.queue, job_id=job.id, job_type=job.name)
