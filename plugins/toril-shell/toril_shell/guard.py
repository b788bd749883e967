"""Runs a command in a process group of its own, and ends the group when the worker is gone.

A program, not a module to import: `guard.py LIFELINE GRACE_S COMMAND...`. The worker holds the
other end of the pipe LIFELINE; it closes it to stop the command, and the system does if it dies.
Either way the group is sent SIGTERM, and SIGKILL when its first process ended or the grace is over.
Ends with the command's code, or 128 and the signal's number.
"""

from __future__ import annotations

import os
import select
import signal
import sys


def main(lifeline: int, grace_s: float, command: list[str]) -> int:
    os.set_inheritable(lifeline, False)
    woken = _wake_by_children()
    try:
        child = os.posix_spawnp(
            command[0],
            command,
            os.environ,
            setsid=True,
            setsigmask=[],
            setsigdef=[signal.SIGPIPE, signal.SIGXFSZ],
        )
    except OSError as error:
        print(f"cannot start {command[0]!r}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126
    ready, _, _ = select.select([lifeline, woken], [], [])
    if woken not in ready:
        _send(child, signal.SIGTERM)
        select.select([woken], [], [], grace_s)
    # Nobody else can have its number yet: the first process was not waited for.
    _send(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return code if code >= 0 else 128 - code


def _wake_by_children() -> int:
    """Gives what becomes readable when the child ended."""
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    return woken


def _send(group: int, number: signal.Signals) -> None:
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        pass  # All of it ended, or the first process has become another user's.


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3:]))
