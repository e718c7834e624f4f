"""What a user installs: the wheel holds the two packages whole, and works outside the checkout."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

pytestmark = pytest.mark.thorough

ROOT = Path(__file__).parents[1]
PACKAGES = ("mfnjax", "serve")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built offline."""
    folder = tmp_path_factory.mktemp("wheel")
    options = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")
    command = [sys.executable, "-m", "pip", "wheel", *options, "-w", str(folder), str(ROOT)]
    subprocess.run(command, check=True, timeout=120)
    (found,) = folder.glob("mfnjax-*.whl")
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds nothing but what the wheel puts there, and its commands in bin/."""
    folder = tmp_path_factory.mktemp("site")
    options = ("--quiet", "--no-deps", "--no-index", "--target", str(folder))
    command = [sys.executable, "-m", "pip", "install", *options, str(wheel)]
    subprocess.run(command, check=True, timeout=120)
    return folder


def environment(installed: Path) -> dict[str, str]:
    """The installed copy before every other one."""
    return {**os.environ, "PYTHONPATH": str(installed)}


def run(installed: Path, folder: Path, name: str, *arguments: str) -> str:
    done = subprocess.run(
        [str(installed / "bin" / name), *arguments],
        env=environment(installed),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_holds_the_two_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        inside = {name for name in file.namelist() if not name.endswith("/")}
    packaged = {name for name in inside if ".dist-info/" not in name}
    tracked = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if tracked.returncode == 0:
        present = {name for name in tracked.stdout.splitlines() if (ROOT / name).is_file()}
    else:  # an unpacked source archive is no repository: whatever lies there is meant
        present = {
            str(path.relative_to(ROOT))
            for package in PACKAGES
            for path in (ROOT / package).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
    assert packaged == present
    for name in ("mfnjax/py.typed", "serve/py.typed", "serve/static/index.html"):
        assert name in packaged
    assert any(re.search(r"dist-info/licenses/LICENSE$", name) for name in inside)


def test_the_command_runs_from_it_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    where = [sys.executable, "-c", "import mfnjax, serve; print(mfnjax.__file__, serve.__file__)"]
    found = subprocess.run(
        where, env=environment(installed), cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == [
        str(installed / package / "__init__.py") for package in PACKAGES
    ]
    from mfnjax import __version__

    assert run(installed, tmp_path, "mfn", "--version") == f"mfn {__version__}\n"
    run(installed, tmp_path, "mfn", "simulate", "--config", "demo", "--plot", "field.png")
    assert (tmp_path / "field.png").read_bytes()[:4] == b"\x89PNG"


def test_the_demo_runs_from_it_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    run(installed, tmp_path, "mfn", "demo")
    report = (tmp_path / "out" / "demo" / "report.html").read_text(encoding="utf-8")
    assert report.count('src="data:image/png;base64,') >= 3
    pictures = list((tmp_path / "out" / "demo").glob("*.png"))
    assert len(pictures) >= 3
    assert all(picture.stat().st_size > 1000 for picture in pictures)
    assert list((tmp_path / "out" / "demo").glob("*.gif"))


@contextlib.contextmanager
def api(installed: Path, folder: Path) -> Iterator[str]:
    """The address of a running ``mfn-api``."""
    process = subprocess.Popen(
        [str(installed / "bin" / "mfn-api"), "--port", "0"],
        env=environment(installed),
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr is not None
        for line in process.stderr:
            found = re.search(r"on (http://\S+)", line)
            if found:
                yield found[1]
                break
        else:
            pytest.fail("mfn-api ended before it said where it listens")
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(30)
        finally:
            process.kill()


def test_the_server_answers_from_it_outside_the_checkout(installed: Path, tmp_path: Path) -> None:
    assert "--workers" in run(installed, tmp_path, "mfn-api", "--help")
    with api(installed, tmp_path) as address:
        with urllib.request.urlopen(f"{address}/health", timeout=60) as answer:
            assert answer.status == 200
        with urllib.request.urlopen(f"{address}/", timeout=60) as page:
            assert b"<html" in page.read().lower()
