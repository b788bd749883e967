"""Fills in defaults: `defaults.job`, then the queue's `job`, then the job itself.

Maps merge key by key, everything else replaces. Shorthands are written out first, so that
`retry: 5` over a default backoff keeps the backoff.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from toril.declarations.backoff import BUILTIN_BACKOFFS

Layer = Mapping[str, Any]

_BACKOFF_KEYS = frozenset({"type", "delay", "max", "jitter", "delays"})


def merge_layers(*layers: Layer | None) -> dict[str, Any]:
    """Merges maps, the later ones on top."""
    merged: dict[str, Any] = {}
    for layer in layers:
        for key, value in (layer or {}).items():
            below = merged.get(key)
            if isinstance(below, Mapping) and isinstance(value, Mapping):
                merged[key] = merge_layers(below, value)
            else:
                merged[key] = value
    return merged


def merge_job_layers(*layers: Layer | None) -> dict[str, Any]:
    """Merges the settings of a job, the most general first."""
    merged: dict[str, Any] = {}
    for layer in layers:
        written_out = write_out(layer or {})
        _forget_foreign_options(merged, written_out)
        merged = merge_layers(merged, written_out)
    return merged


def write_out(layer: Layer) -> dict[str, Any]:
    """Writes the shorthands of `retry` and `backoff` as maps."""
    written = dict(layer)
    if "retry" not in written:
        return written
    retry = written["retry"]
    retry = {"attempts": retry} if isinstance(retry, int) else dict(retry)
    if isinstance(retry.get("backoff"), str):
        retry["backoff"] = {"type": "fixed", "delay": retry["backoff"]}
    written["retry"] = retry
    return written


def write_out_dead_letter(said: str | Layer) -> dict[str, Any]:
    """Writes the shorthand of `dead_letter` as a map."""
    return {"queue": said} if isinstance(said, str) else dict(said)


def backoff_options(backoff: Layer) -> dict[str, Any]:
    """Gives what a backoff holds beside the keys that every type knows."""
    if backoff.get("type", "fixed") in BUILTIN_BACKOFFS:
        return {}
    return {
        key: value
        for key, value in backoff.items()
        if key not in _BACKOFF_KEYS and not key.startswith("x-")
    }


def _forget_foreign_options(below: dict[str, Any], layer: Layer) -> None:
    """Drops what another backoff type took for itself when a layer changes the type."""
    old = below.get("retry", {}).get("backoff")
    new = layer.get("retry", {}).get("backoff")
    if old and new and new.get("type", old.get("type")) != old.get("type"):
        kept = {key: value for key, value in old.items() if key in _BACKOFF_KEYS}
        below["retry"] = {**below["retry"], "backoff": kept}
