"""The mail that tells the desk of a new report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAIL = """\
To: {to}
Subject: Back office, {as_of}: {equity:,.2f} ({change:+.1%})

At the close of {as_of} the account was worth {equity:,.2f} dollars:
{change:+.1%} since its opening.
{filled} orders were filled, {refused} were refused.

The report: {page}
"""


def write_mail(report: Mapping[str, Any], *, to: Sequence[str]) -> str:
    """Writes the mail, headers first."""
    change = report["equity"] / report["opening_cash"] - 1
    return _MAIL.format(to=", ".join(to), change=change, **report)
