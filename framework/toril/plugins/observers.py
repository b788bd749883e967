"""Tells lifecycle hooks what happens to jobs and workers; their faults harm neither."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from toril.plugins.compatibility import HOOK_ARGUMENTS, REGISTRATIONS
from toril.plugins.manager import HookCall, PluginManager

#: Takes an event's stable name and its fields; `runner/log_lines.py` words it.
OnEvent = Callable[[str, Mapping[str, Any]], None]

#: A hook that raises this often in a row is broken for good, and would only fill the log.
MUTE_AFTER = 5

#: Unfinished async hooks; one that waits for a dead service must not eat the worker's memory.
MAX_UNFINISHED = 1_000

#: What a hook may raise without harm; a `sys.exit` in it would end the worker.
_FAULTS = (Exception, SystemExit)


@dataclass(kw_only=True, slots=True)
class _Watcher:
    call: HookCall
    failures: int = 0
    failures_in_a_row: int = 0
    is_muted: bool = False


class Observers:
    """The lifecycle hooks of all plugins, for one worker or client.

    Events: `hook_failed` (plugin, hook, error, failures), `hook_muted` (plugin, hook, failures).
    """

    def __init__(self, manager: PluginManager, on_event: OnEvent) -> None:
        self._on_event = on_event
        self._unfinished: dict[asyncio.Task[None], _Watcher] = {}
        self._watchers = {
            hook: [_Watcher(call=call) for call in manager.hook_calls(hook)]
            for hook in HOOK_ARGUMENTS
            if hook not in REGISTRATIONS
        }

    @property
    def failures(self) -> Mapping[tuple[str, str], int]:
        """How often each (plugin, hook) failed, those that did."""
        watchers = [watcher for group in self._watchers.values() for watcher in group]
        return {(w.call.plugin, w.call.hook): w.failures for w in watchers if w.failures}

    def is_watched(self, hook: str) -> bool:
        """Whether any plugin implements the hook; spares making the fields."""
        return bool(self._watchers[hook])

    def notify(self, hook: str, **fields: Any) -> None:
        """Calls every implementation: plain ones at once, coroutines as background tasks.

        Without a running loop (a synchronous client) coroutines are run to their end here.
        """
        for watcher in self._watchers[hook]:
            if not watcher.is_muted:
                self._call(watcher, fields)

    async def drain(self, *, within_s: float = 5.0) -> None:
        """Waits for the unfinished coroutines; those that take longer are cancelled."""
        if not self._unfinished:
            return
        running = dict(self._unfinished)
        _, late = await asyncio.wait(running, timeout=within_s)
        for task in late:
            task.cancel()
            self._count_failure(running[task], f"not finished within {within_s:g}s at the end")
        if late:
            await asyncio.wait(late)

    def _call(self, watcher: _Watcher, fields: Mapping[str, Any]) -> None:
        try:
            result = watcher.call.function(*[fields[name] for name in watcher.call.arguments])
            if not inspect.isawaitable(result):
                watcher.failures_in_a_row = 0
                return
        except _FAULTS as error:  # the edge of a hook: counted and announced
            self._count_failure(watcher, _describe(error))
            return
        self._start(watcher, result)

    def _start(self, watcher: _Watcher, waiting: Awaitable[Any]) -> None:
        watched = self._watch(watcher, waiting)
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            asyncio.run(watched)
            return
        if len(self._unfinished) >= MAX_UNFINISHED:
            watched.close()
            if inspect.iscoroutine(waiting):
                waiting.close()
            self._count_failure(watcher, f"left out: {MAX_UNFINISHED} hook calls are unfinished")
            return
        task = loop.create_task(watched, name=f"{watcher.call.plugin}.{watcher.call.hook}")
        self._unfinished[task] = watcher
        task.add_done_callback(self._unfinished.pop)

    async def _watch(self, watcher: _Watcher, waiting: Awaitable[Any]) -> None:
        try:
            await waiting
        except _FAULTS as error:  # the edge of a hook: counted and announced
            self._count_failure(watcher, _describe(error))
        else:
            watcher.failures_in_a_row = 0

    def _count_failure(self, watcher: _Watcher, error: str) -> None:
        watcher.failures += 1
        watcher.failures_in_a_row += 1
        where = {"plugin": watcher.call.plugin, "hook": watcher.call.hook}
        self._on_event("hook_failed", {**where, "error": error, "failures": watcher.failures})
        if watcher.failures_in_a_row >= MUTE_AFTER and not watcher.is_muted:
            watcher.is_muted = True
            self._on_event("hook_muted", {**where, "failures": watcher.failures})


def _describe(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
