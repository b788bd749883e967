"""toril-http and toril-shell: built, installed into a fresh environment, and run together."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

PLUGINS = Path(__file__).parents[2] / "plugins"


@pytest.fixture
def port() -> Iterator[int]:
    """A server on loopback that answers every GET with a price."""

    class Prices(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            content = json.dumps({"path": self.path, "price": 12}).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Prices)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def environment(
    make_environment: Callable[..., Any],
    build_wheel: Callable[[Path], Path],
    toril_wheel: Path,
    port: int,
) -> Any:
    wheels = [build_wheel(PLUGINS / name) for name in ("toril-http", "toril-shell")]
    environment = make_environment(toril_wheel, *wheels)
    pipeline = environment.folder / "pipeline"
    pipeline.mkdir()
    (pipeline / "toril.yaml").write_text(
        "version: 1\nplugins: {config: {http: {timeout: 5s, allow_private: true}}}\n"
    )
    (pipeline / "jobs.yaml").write_text(f"""
queues: {{prices: {{}}}}
jobs:
  fetch:
    queue: prices
    use: http.request
    with: {{url: "http://127.0.0.1:{port}/prices/{{data.symbol}}"}}
  store:
    queue: prices
    use: shell.run
    with: {{command: [printf, "%s\\\\n", "got {{data.price}}"]}}
flows:
  daily:
    steps:
      fetch: {{job: fetch, data: {{symbol: BTC}}}}
      store:
        job: store
        needs: [fetch]
        data: {{price: "${{{{ needs.fetch.result.body.price }}}}"}}
""")
    return environment


def test_both_plugins_run_a_flow(environment: Any):
    pipeline = environment.folder / "pipeline"

    started = environment.run("toril", "-C", pipeline, "flow", "start", "daily")
    ran = environment.run("toril", "run", pipeline, "--until-idle")
    listed = environment.run(
        "toril", "-C", pipeline, "job", "list", "prices", "completed", "--format", "json"
    )

    assert (started.returncode, ran.returncode) == (0, 0), started.stderr + ran.stderr
    results = {job["name"]: job["result"] for job in json.loads(listed.stdout)["jobs"]}
    assert results["fetch"]["body"] == {"path": "/prices/BTC", "price": 12}
    assert results["store"]["output"] == "got 12\n"


def test_both_plugins_are_shown_with_their_schemas(environment: Any):
    pipeline = environment.folder / "pipeline"

    listed = environment.run("toril", "-C", pipeline, "plugin", "list", "--format", "json")
    shown = environment.run("toril", "-C", pipeline, "plugin", "show", "http", "--format", "json")

    states = {one["name"]: one["state"] for one in json.loads(listed.stdout)["plugins"]}
    assert states == {"core": "loaded", "http": "loaded", "shell": "loaded"}
    assert "timeout" in json.dumps(json.loads(shown.stdout)["config"])


def test_a_disabled_plugin_runs_nothing_and_a_wrong_setting_has_its_place(environment: Any):
    pipeline = environment.folder / "pipeline"
    (pipeline / "toril.yaml").write_text(
        "version: 1\nplugins: {disable: [toril-shell], config: {http: {timeout: soon}}}\n"
    )

    checked = environment.run("toril", "check", pipeline, "--format", "json")

    found = [(one["code"], one["file"]) for one in json.loads(checked.stdout)["problems"]]
    assert [code for code, _ in found] == ["T205", "T219"]
