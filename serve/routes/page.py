"""The page where a field evolves (``/``), and the documentation of the API (``/docs``).

Both are files: ours in ``serve/static/``, the viewer (Swagger UI) in a package that we depend on.
Nothing is built, and nothing is asked of another host, which the content security policy holds them
to. The framework's plugins for viewers write a script into the page, which the policy refuses.
"""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from litestar import Request, Response, get
from litestar.exceptions import NotFoundException
from openapi_ui_bundles import swagger_ui

from serve.http.auth import PUBLIC

FOLDER = Path(__file__).parents[1] / "static"
VIEWER = [swagger_ui.static_path / name for name in ("swagger-ui-bundle.js", "swagger-ui.css")]
TYPES = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
VIEWER_POLICY = POLICY.replace("img-src 'self'", "img-src 'self' data:")
"""The viewer's arrows are images inside its style sheet."""
_FILES = {
    path.name: path.read_bytes()
    for path in (*sorted(FOLDER.iterdir()), *VIEWER)
    if path.suffix in TYPES
}
_TAGS = {
    name: f'"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    for name, content in _FILES.items()
}


def _file(request: Request[Any, Any, Any], name: str) -> Response[bytes]:
    """A file of the package; 304 where the browser has it already."""
    headers = {
        "ETag": _TAGS[name],
        "Cache-Control": "no-cache",  # kept, but asked for again: a new version shows at once
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Content-Security-Policy": VIEWER_POLICY if name == "docs.html" else POLICY,
    }
    known = request.headers.get("if-none-match", "") == _TAGS[name]
    return Response(
        b"" if known else _FILES[name],
        status_code=304 if known else 200,
        media_type=TYPES[Path(name).suffix],
        headers=headers,
    )


@get("/", opt=PUBLIC, include_in_schema=False)
async def index(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The page where a field evolves."""
    return _file(request, "index.html")


@get("/docs", opt=PUBLIC, include_in_schema=False)
async def docs(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The documentation of the API."""
    return _file(request, "docs.html")


@get("/static/{name:str}", opt=PUBLIC, include_in_schema=False)
async def static(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What the two pages are made of."""
    name = request.path_params["name"]
    if name not in _FILES:
        raise NotFoundException
    return _file(request, name)
