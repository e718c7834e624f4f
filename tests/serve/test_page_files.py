"""The files of the page as they go over the wire: types, caching, the policy, nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import anyio
import httpx
import pytest

from serve.app import create_app
from serve.routes.page import FOLDER, VIEWER
from serve.settings import Settings


@pytest.fixture(scope="module")
def ask() -> Callable[..., httpx.Response]:
    """A request to an application that wants a key; no page needs its engine, so it has none."""
    app = create_app(Settings(api_keys=("secret",), api_key_required=True))

    def get(path: str, **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app)  # type: ignore[arg-type]
            async with httpx.AsyncClient(transport=transport, base_url="http://mfn") as client:
                return await client.get(path, headers=headers)

        return anyio.run(send)

    return get


@pytest.mark.parametrize(
    "path", ["/", "/docs", *(f"/static/{p.name}" for p in (*FOLDER.iterdir(), *VIEWER))]
)
def test_files_are_public_typed_and_kept_by_browsers(ask, path: str) -> None:
    first = ask(path)
    assert first.status_code == 200
    kinds = {"": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
    expected = kinds.get(Path(path).suffix, "text/html")
    assert first.headers["content-type"].split(";")[0] == expected
    again = ask(path, **{"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert ask(path, **{"If-None-Match": '"other"'}).content == first.content


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_policy_allows_this_server_alone(ask, path: str) -> None:
    page = ask(path)
    policy = dict(
        rule.split(" ", 1) for rule in page.headers["content-security-policy"].split("; ")
    )
    assert policy.pop("default-src") == "'none'"
    images = policy.pop("img-src").removesuffix(" data:")
    assert {images, *policy.values()} <= {"'self'", "'none'"}  # neither inline nor from elsewhere
    assert page.headers["x-content-type-options"] == "nosniff"
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*src=)", page.text)


@pytest.mark.parametrize(
    "path", ["/static/nothing.js", "/static/../app.py", "/static/%2e%2e%2fapp.py", "/static/"]
)
def test_no_other_file_can_be_had(ask, path: str) -> None:
    assert ask(path).status_code in (401, 404)
    assert b"create_app" not in ask(path).content


def test_files_refer_to_files_that_exist(ask) -> None:
    for path in FOLDER.iterdir():
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r'(?:src|href)="static/([^"]+)"|from "\./([^"]+)"', text):
            assert ask(f"/static/{''.join(name)}").status_code == 200, (path.name, name)
