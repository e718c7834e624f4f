"""Locust as the document runs it: who runs, what counts as an error, and the exit status."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from load_tests.limits import USER_CLASSES
from load_tests.running import Server

ROOT = Path(__file__).parents[2]


def locust(url: str, *options: str, key: str = "", seconds: int = 4) -> tuple[int, str]:
    """Exit status and output of a headless run; everything but the users by environment."""
    environment = {name: v for name, v in os.environ.items() if not name.startswith("LOCUST")}
    environment |= {
        "MFN_LOADTEST_BASE_URL": url,
        "MFN_LOADTEST_DURATION": f"{seconds}s",
        "MFN_LOADTEST_API_KEY": key,
    }
    command = [sys.executable, "-m", "locust", "-f", "load_tests/locustfile.py", "--headless"]
    told = subprocess.run(
        [*command, "--only-summary", *options],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    return told.returncode, told.stdout + told.stderr


def test_ten_users_make_the_documented_rate_without_an_error(server: Server, api_key: str) -> None:
    status, told = locust(server.url, "-u", "10", "-r", "20", "--errors-only", key=api_key)
    assert status == 0, told
    assert '{"MFNAPIUser": 10} (10 total users)' in told


def test_a_missing_key_fails_the_run(server: Server) -> None:
    status, told = locust(server.url, "-u", "1", "-r", "1", seconds=2)
    assert status == 1
    assert "limit missed: " in told
    assert "status 401, expected 200: AUTHENTICATION_REQUIRED" in told


def test_a_server_that_is_not_there_fails_the_run() -> None:
    status, told = locust("http://127.0.0.1:9", "-u", "1", "-r", "1", seconds=1)
    assert status == 1
    assert "Connection refused" in told


@pytest.mark.slow
def test_all_classes_run_without_an_error(server: Server, api_key: str) -> None:
    status, told = locust(
        server.url, "-u", "10", "-r", "20", "--errors-only", *USER_CLASSES, key=api_key, seconds=10
    )
    assert status == 0, told
    assert all(f'"{name}": 2' in told for name in USER_CLASSES)
