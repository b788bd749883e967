"""Writes the expected texts of all wrong configurations anew; read the diff before you commit."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from test_wrong_yaml import CASES, EXPECTED, HERE, lay_out, run_check


def main() -> None:
    for case in CASES:
        with tempfile.TemporaryDirectory() as folder:
            lay_out(case, Path(folder) / "pipelines")
            _, output = run_check(Path(folder))
        (HERE / "cases" / case / EXPECTED).write_text(output, encoding="utf-8")


if __name__ == "__main__":
    main()
