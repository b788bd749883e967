"""A part of the tests on a Redis server; `TORIL_TEST_SERVER=redis-server` runs all of them on it.

All others run on the Valkey server that Toril embeds.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator

import pytest
from tests.scripts.conftest import check  # noqa: F401
from tests.scripts.test_add import test_add  # noqa: F401
from tests.scripts.test_settle_and_claim import test_outcome  # noqa: F401
from tests.scripts.test_settle_and_claim_claims import test_claim  # noqa: F401
from tests.wire.test_both_work import test_a_mixed_fleet_runs_each_job_once  # noqa: F401
from tests.wire.test_toril_adds import test_a_flow_of_both_runs_on_both  # noqa: F401

from tests.conftest import Server, open_server

PROGRAM = "redis-server"

if shutil.which(PROGRAM) is None and not os.environ.get("TORIL_REQUIRE_REDIS"):
    pytest.skip(f"{PROGRAM} is not installed", allow_module_level=True)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    """A Redis server in place of the session's."""
    with open_server(PROGRAM) as server:
        yield server


def test_the_server_is_no_valkey(redis_sync) -> None:
    assert "valkey_version" not in redis_sync.info()
