"""Checks `secret://` references: where one stands, its form, its provider."""

from __future__ import annotations

import re

from toril.config.context import Context
from toril.config.document import Document, Path
from toril.config.suggestions import list_known, suggest

_FORM = re.compile(r"secret://([A-Za-z0-9_.-]+)/(.+)", re.DOTALL)


def check_secrets(context: Context, documents: list[Document]) -> None:
    """Checks the references of all files; none is resolved."""
    for document in documents:
        for path in document.secrets:
            if document.is_foreign(path):
                continue
            if not _is_resolved(path):
                message = "a secret cannot be used here: it would not be resolved"
                hint = "secrets work in `with:`, `plugins.config` and `redis.url`"
                document.add("T406", path, message, hint=hint)
            else:
                _check_reference(context, document, path)


def _is_resolved(path: Path) -> bool:
    if len(path) > 3 and (path[:2] == ("plugins", "config") or path[::2][:2] == ("jobs", "with")):
        return True
    return path == ("redis", "url")


def _check_reference(context: Context, document: Document, path: Path) -> None:
    text = document.text_at(path)
    match = _FORM.fullmatch(text) if "$" not in text else None
    if match is None and "$" not in text:
        message = f"expected secret://PROVIDER/PATH, got {text!r}"
        document.add("T406", path, message, hint="write secret://env/NAME or secret://file/PATH")
    if match is None or context.plugins is None:
        return
    provider = match.group(1)
    known = context.plugins.secret_providers
    if provider not in known:
        reason = context.plugins.explain_missing("secret provider", provider)
        message = f"no plugin supplies a secret provider {provider!r}"
        hint = suggest(provider, known) or list_known("secret provider", known)
        document.add("T406", path, message + (f"; {reason}" if reason else ""), hint=hint)
