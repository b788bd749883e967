"""Opens bull-board on Toril's queues in headless Chromium: `make board`.

Uses it as people do and keeps the pictures in docs/bull-board/; needs node, Chromium and, to make
the pictures small, pngquant.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.wire.board.scene import FOLDER, count, open_board, set_scene

from toril import Client
from toril.runtime.embedded import open_embedded

PICTURES = FOLDER.parents[2] / "docs" / "bull-board"


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="toril-board-") as folder:
        root = shutil.copytree(FOLDER / "pipeline", Path(folder) / "shop")
        server = open_embedded(root)
        runner = await asyncio.create_subprocess_exec(
            Path(sys.executable).with_name("toril"),
            *("run", str(root), "--grace", "1s"),
            stdout=asyncio.subprocess.DEVNULL,
        )
        try:
            await show(root, server.url.removeprefix("unix://"))
        finally:
            runner.terminate()
            await runner.wait()
            server.close()
    make_small()


async def show(root: Path, socket: str) -> None:
    """Sets the scene, browses, and checks what Toril sees of it afterwards."""
    PICTURES.mkdir(exist_ok=True)
    async with Client.from_config(root) as client, open_board(socket, "bull") as board:
        ids = await set_scene(client)
        command = ["node", FOLDER / "browse.mjs", board.url, PICTURES, json.dumps(ids)]
        await asyncio.to_thread(subprocess.run, command, check=True, timeout=120)
        for job in ("bounced", "later"):
            print(job, await client.job("mails", ids[job]).state())
        print("mails", await count(client, "mails"))


def make_small() -> None:
    pictures = sorted(PICTURES.glob("*.png"))
    if shutil.which("pngquant"):
        options = ["--force", "--ext", ".png", "--strip", "64"]
        subprocess.run(["pngquant", *options, *pictures], check=True)
    size = sum(picture.stat().st_size for picture in pictures)
    print(f"{len(pictures)} pictures, {size // 1024} kB, in {PICTURES}")


if __name__ == "__main__":
    asyncio.run(main())
