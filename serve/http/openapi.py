"""The OpenAPI document: the framework's routes, msgspec's schemas, and what only we know.

The framework's own schemas lose bounds inside lists and that unknown fields are refused, so
`msgspec.json` writes them. What an endpoint may answer stands in one table.
"""

from __future__ import annotations

import http
from collections.abc import Mapping
from typing import Any

import msgspec

from serve import schemas
from serve.http import examples
from serve.http.errors import CODES, PROBLEM_TYPE, Problem

REF = "#/components/schemas/{name}"
PUBLIC_PATHS = ("/health", "/ready", "/metrics")
BINARY = {"type": "string", "format": "binary"}

ABOUT = """\
Simulate pattern-forming fields, measure them, and fit models to measurements.

Potentials in JSON are in millivolts, in `.npy` and `.npz` files in volts. The same seed gives the
same answer. Errors are problem details (RFC 9457, `application/problem+json`) with a stable
`error_code`; where fields of the body are wrong, all of them are listed. A path that does not exist
answers 404, a method that an endpoint does not take 405 with `Allow`. Every answer has the header
`X-Request-ID`."""

TAGS = {
    "simulation": "Runs of the models.",
    "features": "Measures of fields and histories.",
    "membrane": "Membrane potentials.",
    "network": "The validation cycle with a small network.",
    "federated": "Aggregation of gradients.",
    "jobs": "Work of minutes: fits.",
    "operations": "For those who run the server.",
}

PROBLEMS = {
    400: "A value or the body is not accepted; all wrong fields are listed.",
    401: "The key is missing or wrong.",
    404: "There is no such thing.",
    405: "The endpoint does not take this method; `Allow` has those it takes.",
    409: "The job's status does not allow it.",
    413: "The body, or the array in it, is too large.",
    415: "The content type is not accepted.",
    422: "The run went unstable.",
    429: "The rate limit; `Retry-After` says when to come back.",
    500: "An unexpected error; the log has more under the request id.",
    503: "Overloaded, late, or not ready; `Retry-After` says when to come back.",
}

_BODY = (400, 413, 415, 503)
_STATUSES: dict[tuple[str, str], tuple[int, ...]] = {
    ("get", "/ready"): (503,),
    ("post", "/nernst"): (400, 413, 415),
    ("post", "/simulate"): (*_BODY, 422),
    ("post", "/simulate/stream"): _BODY,
    ("post", "/validate"): (*_BODY, 422),
    ("post", "/features"): _BODY,
    ("post", "/federated/aggregate"): _BODY,
    ("post", "/fit"): _BODY,
    ("get", "/jobs/{job_id}"): (404,),
    ("delete", "/jobs/{job_id}"): (404, 409),
    ("post", "/jobs/{job_id}/resume"): (404, 409),
    ("get", "/jobs/{job_id}/events"): (404,),
}
"""What an operation may answer beside success; 401, 429 and 500 wherever a key is asked for."""


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the framework's ``document`` with schemas, errors and examples."""
    document["info"]["description"] = ABOUT
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    document["components"] = _components()
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(method, path, operation)
    return document


def _components() -> dict[str, Any]:
    structs = [
        value
        for value in vars(schemas).values()
        if isinstance(value, type)
        and issubclass(value, msgspec.Struct)
        and value not in (schemas.Body, schemas.Answer)
    ]
    _, components = msgspec.json.schema_components([*structs, Problem], ref_template=REF)
    request = components["FeaturesRequest"]
    request["oneOf"] = [
        {"required": [name], "properties": {name: {"type": "array"}, other: {"type": "null"}}}
        for name, other in (("field_mV", "history_mV"), ("history_mV", "field_mV"))
    ]
    for path, body in examples.REQUESTS.items():
        name = _REQUEST_OF[path]
        components[name]["examples"] = [body]
    return {
        "schemas": components,
        "responses": {http.HTTPStatus(s).phrase.replace(" ", ""): _problem(s) for s in PROBLEMS},
        "headers": {
            "X-Request-ID": {
                "description": "The request's own id if it is harmless, else a new one.",
                "schema": {"type": "string"},
            },
            "Retry-After": {
                "description": "Seconds.",
                "schema": {"type": "integer", "minimum": 1},
            },
        },
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    }


_REQUEST_OF = {
    "/nernst": "NernstRequest",
    "/simulate": "SimulateRequest",
    "/simulate/stream": "StreamRequest",
    "/validate": "ValidateRequest",
    "/features": "FeaturesRequest",
    "/federated/aggregate": "AggregateRequest",
    "/fit": "FitRequest",
}


def _problem(status: int) -> dict[str, Any]:
    phrase = http.HTTPStatus(status).phrase
    more: dict[str, Any] = {}
    if status == 400:
        wrong = {"field": "grid_size", "detail": "Expected int >= 8; got 4"}
        more = {"field": "grid_size", "errors": [wrong]}
    detail = "grid_size: Expected int >= 8; got 4" if status == 400 else PROBLEMS[status]
    headers = _headers("X-Request-ID", *(("Retry-After",) if status in (429, 503) else ()))
    if status == 405:
        headers["Allow"] = {"schema": {"type": "string"}}
    return {
        "description": PROBLEMS[status],
        "headers": headers,
        "content": {
            PROBLEM_TYPE: {
                "schema": {"$ref": REF.format(name="Problem")},
                "example": examples.problem(status, phrase, CODES[status], detail, **more),
            }
        },
    }


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _complete_operation(method: str, path: str, operation: dict[str, Any]) -> None:
    operation["operationId"] = operation["summary"].lower().replace(" ", "_")
    operation["summary"] = operation["description"].split("\n")[0].rstrip(".:")
    responses = operation["responses"]
    for status in [status for status in responses if int(status) >= 400]:
        del responses[status]
    for answer in responses.values():
        _complete_answer(method, path, answer)
    statuses = set(_STATUSES.get((method, path), ()))
    if path not in PUBLIC_PATHS:
        operation["security"] = [{"key": []}, {}]
        statuses |= {401, 429, 500}
    for status in sorted(statuses):
        name = http.HTTPStatus(status).phrase.replace(" ", "")
        responses[str(status)] = {"$ref": f"#/components/responses/{name}"}
    if path in _REQUEST_OF and method == "post":
        operation["requestBody"] = _request_body(path)
    for parameter in operation.get("parameters", ()):
        if parameter["name"] == "job_id":
            parameter["schema"] = {"type": "string", "pattern": "^[0-9a-f]{32}$"}
            parameter["example"] = examples.JOB_ID


def _request_body(path: str) -> dict[str, Any]:
    content: dict[str, Any] = {
        "application/json": {
            "schema": {"$ref": REF.format(name=_REQUEST_OF[path])},
            "example": examples.REQUESTS[path],
        }
    }
    if path == "/features":
        for kind in ("application/x-npy", "application/x-npz", "application/octet-stream"):
            content[kind] = {"schema": dict(BINARY)}
    return {"required": True, "content": content}


def _complete_answer(method: str, path: str, answer: dict[str, Any]) -> None:
    answer["description"] = "Success."
    answer["headers"] = _headers("X-Request-ID")
    content: dict[str, Any] = answer["content"]
    if (method, path) in examples.ANSWERS:
        content["application/json"]["example"] = examples.ANSWERS[method, path]
    for kind, example in _TEXTS.items():
        if kind in content:
            content[kind] = {"schema": _TEXT_SCHEMAS[kind], "example": example}
    if path == "/simulate":
        schema = content["application/json"]["schema"]
        for kind in ("application/msgpack", "application/x-msgpack"):
            content[kind] = {"schema": schema}
        content["application/x-npy"] = {"schema": dict(BINARY)}
        answer["headers"]["X-MFN-Result"] = {
            "description": "With `application/x-npy`: the rest of the answer, as JSON.",
            "schema": {"type": "string"},
        }


_TEXTS: Mapping[str, str] = {
    "application/x-ndjson": examples.STREAM,
    "text/event-stream": examples.EVENTS,
}
_TEXT_SCHEMAS: Mapping[str, Any] = {
    "application/x-ndjson": {"type": "string"},
    "text/event-stream": {  # of each event
        "type": "object",
        "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
    },
}
