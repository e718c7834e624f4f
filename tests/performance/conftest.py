"""One server process for all of these tests, which run by themselves, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from load_tests.running import Server, running_server

KEY = "a-key-for-the-test"


@pytest.fixture(scope="session")
def server_log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server") / "server.log"


@pytest.fixture(scope="session")
def server(server_log: Path) -> Iterator[Server]:
    settings = {"MFN_API_KEY": KEY, "MFN_API_KEY_REQUIRED": "true"}
    with running_server(environment=settings, log=server_log) as running:
        yield running


@pytest.fixture
def api_key() -> str:
    return KEY
