"""What can be said of the container without building it."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
LINES = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", " ").splitlines()


def instructions(name: str) -> list[str]:
    return [line.split(maxsplit=1)[1] for line in LINES if line.startswith(f"{name} ")]


def test_what_is_copied_exists_and_reaches_the_builder() -> None:
    allowed = {
        line[1:]
        for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
        if line.startswith("!")
    }
    copied = [source for one in instructions("COPY") for source in one.split()[:-1]]
    sources = [source for source in copied if not source.startswith(("--from", "/venv"))]
    assert "mfnjax" in sources
    assert "serve" in sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert source.split("/")[0] in allowed, source


def test_it_runs_without_rights_and_is_watched() -> None:
    final = LINES[max(i for i, line in enumerate(LINES) if line.startswith("FROM ")) :]
    text = "\n".join(final)
    (user,) = [line.split()[1] for line in final if line.startswith("USER ")]
    assert user == "mfn"
    assert re.search(r"useradd .*--uid 10001 mfn", text)
    assert text.index("USER ") < text.index("ENTRYPOINT")
    assert "/health" in "".join(instructions("HEALTHCHECK"))
    assert "--host" in "".join(instructions("ENTRYPOINT"))  # the default is this machine only


def test_files_of_the_server_are_in_the_wheel() -> None:
    """The page and the monitoring are plain files inside the package that the wheel takes whole."""
    names = {path.name for path in (ROOT / "serve").rglob("*") if path.is_file()}
    assert {
        "index.html",
        "page.js",
        "docs.html",
        "prometheus.yml",
        "grafana_dashboard.json",
    } <= names
    assert 'packages = ["mfnjax", "serve"]' in (ROOT / "pyproject.toml").read_text(encoding="utf-8")
