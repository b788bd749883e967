"""Takes the README's picture: `toril run` on the demo in a real terminal, as docs/run.svg.

The terminal is tmux, which must be installed.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

ROOT = Path(__file__).parents[1]
TORIL = Path(sys.executable).with_name("toril")
COLUMNS, ROWS = 116, 18
#: What the picture waits for: the exchange has answered after two retries.
MOMENT = "fetch-orders completed"
#: Rich's frame without the fonts that it would load from elsewhere.
FORMAT = re.sub(r"@font-face \{\{.*?\}\}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toril-picture-") as folder:
        pipelines = Path(folder) / "pipelines"
        shutil.copytree(ROOT / "pipelines", pipelines, ignore=shutil.ignore_patterns(".toril"))
        terminal = Terminal(Path(folder) / "tmux.sock")
        try:
            terminal.start(f"cd {folder} && {TORIL} run pipelines")
            text = terminal.wait_for(MOMENT, seconds=20)
        finally:
            terminal.stop()
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    console.print("$ toril run pipelines", style="bold")
    console.print(Text.from_ansi(text.rstrip()))
    picture = ROOT / "docs" / "run.svg"
    console.save_svg(str(picture), title="toril run pipelines", code_format=FORMAT)


class Terminal:
    """A tmux session of its own."""

    def __init__(self, socket: Path) -> None:
        self._tmux = ["tmux", "-S", str(socket)]

    def start(self, command: str) -> None:
        size = ["-x", str(COLUMNS), "-y", str(ROWS)]
        subprocess.run([*self._tmux, "new-session", "-d", *size, command], check=True)

    def wait_for(self, words: str, *, seconds: float) -> str:
        deadline = time.monotonic() + seconds
        while words not in (shown := self._capture()):
            if time.monotonic() > deadline:
                raise TimeoutError(f"{words!r} does not appear; the terminal shows:\n{shown}")
            time.sleep(0.05)
        return shown

    def stop(self) -> None:
        """Presses Ctrl-C and waits until the session has ended with its command."""
        subprocess.run([*self._tmux, "send-keys", "C-c"], check=False)
        while subprocess.run([*self._tmux, "has-session"], capture_output=True).returncode == 0:
            time.sleep(0.05)

    def _capture(self) -> str:
        command = [*self._tmux, "capture-pane", "-e", "-p"]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    main()
