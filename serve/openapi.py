"""What the framework's OpenAPI document does not say: problem details, keys, strict bodies."""

from __future__ import annotations

from typing import Any

import msgspec

from serve.errors import PROBLEM_TYPE, Problem

PUBLIC_PATHS = ("/health", "/ready", "/metrics")
DESCRIPTIONS = {
    400: "A value or the body is not accepted; all wrong fields are listed.",
    401: "The key is missing or wrong.",
    413: "The body is too large.",
    415: "The content type is not accepted.",
    422: "The run went unstable.",
    429: "The rate limit; `Retry-After` says when to come back.",
    500: "An unexpected error.",
    503: "Overloaded, or not ready; `Retry-After` says when to come back.",
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return ``document`` with the errors that every endpoint may answer."""
    schemas = document["components"].setdefault("schemas", {})
    _, components = msgspec.json.schema_components(
        [Problem], ref_template="#/components/schemas/{name}"
    )
    schemas.update(components)
    document["components"]["securitySchemes"] = {
        "key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}
    }
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _complete_operation(path, operation)
    return document


def _complete_operation(path: str, operation: dict[str, Any]) -> None:
    responses = operation["responses"]
    if path in PUBLIC_PATHS:
        statuses: tuple[int, ...] = (503,) if path == "/ready" else ()
    else:
        statuses = tuple(DESCRIPTIONS)
        operation["security"] = [{"key": []}, {}]
    responses.pop("400", None)
    for status in statuses:
        responses[str(status)] = {
            "description": DESCRIPTIONS[status],
            "content": {PROBLEM_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
        }
        if status in (429, 503):
            responses[str(status)]["headers"] = {
                "Retry-After": {"schema": {"type": "integer", "minimum": 1}}
            }
