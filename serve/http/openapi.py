"""The OpenAPI document: the framework's routes, msgspec's schemas, and what only we know.

The framework's own schemas lose bounds inside lists and that unknown fields are refused, so
`msgspec.json` writes them. What an endpoint may answer stands in one table.
"""

from __future__ import annotations

import http
from typing import Any

import msgspec

from serve import schemas
from serve.http.errors import PROBLEM_TYPE, ApiError, FieldError, Problem, problem_of
from serve.http.examples import EVENTS, EXAMPLES, STREAM

REF = "#/components/schemas/{name}"
PUBLIC_PATHS = ("/health", "/ready", "/metrics")
BINARY = {"schema": {"type": "string", "format": "binary"}}

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
HEADERS = {
    "X-Request-ID": {
        "description": "The request's own id if it is harmless, else a new one.",
        "schema": {"type": "string"},
    },
    "Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 1}},
    "Allow": {"schema": {"type": "string"}},
    "X-MFN-Result": {
        "description": "With `application/x-npy`: the rest of the answer, as JSON.",
        "schema": {"type": "string"},
    },
}
BODIES = {
    "/nernst": "NernstRequest",
    "/simulate": "SimulateRequest",
    "/simulate/stream": "StreamRequest",
    "/validate": "ValidateRequest",
    "/features": "FeaturesRequest",
    "/federated/aggregate": "AggregateRequest",
    "/fit": "FitRequest",
}
"""The schema of what is posted, by path."""
OF_A_NAMED_MODEL = {
    "SimulateRequest": "ModelRunRequest",
    "SimulateResponse": "ModelRunResponse",
}
"""What may be posted instead where a model is named, and what is answered then."""
FLAT = {"type": ["number", "boolean"], "description": "A parameter of the model, by its name."}
MORE_STATUSES: dict[tuple[str, str], tuple[int, ...]] = {
    ("get", "/ready"): (503,),
    ("post", "/simulate"): (422,),
    ("post", "/validate"): (422,),
    ("delete", "/jobs/{job_id}"): (409,),
    ("post", "/jobs/{job_id}/resume"): (409,),
}
"""What an operation may answer beside what all of its sort may."""
TEXTS: dict[str, dict[str, Any]] = {
    "application/x-ndjson": {"schema": {"type": "string"}, "example": STREAM},
    "text/event-stream": {  # the schema of each event
        "schema": {
            "type": "object",
            "properties": {"event": {"type": "string"}, "data": {"type": "string"}},
        },
        "example": EVENTS,
    },
}


def complete(document: dict[str, Any]) -> dict[str, Any]:
    """Return the framework's ``document`` with schemas, errors and examples."""
    document["info"]["description"] = ABOUT
    document["tags"] = [{"name": name, "description": text} for name, text in TAGS.items()]
    document["components"] = {
        "schemas": _schemas(),
        "responses": {_name(status): _problem(status) for status in PROBLEMS},
        "headers": HEADERS,
        "securitySchemes": {"key": {"type": "apiKey", "in": "header", "name": "X-API-Key"}},
    }
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            _complete_operation(method, path, operation)
    return document


def _schemas() -> dict[str, Any]:
    structs = [*_forms(schemas.Body), *_forms(schemas.Answer), Problem]
    _, components = msgspec.json.schema_components(structs, ref_template=REF)
    components["FeaturesRequest"]["oneOf"] = [
        {"required": [name], "properties": {name: {"type": "array"}, other: {"type": "null"}}}
        for name, other in (("field_mV", "history_mV"), ("history_mV", "field_mV"))
    ]
    for form in _forms(schemas.ModelRun):
        components[form.__name__]["additionalProperties"] = FLAT
    for name, example in EXAMPLES.items():
        components[name]["examples"] = [example]
    return components


def _forms(base: type) -> list[type]:
    """The classes under ``base`` that nothing is derived from."""
    under: list[type] = base.__subclasses__()
    return [form for one in under for form in (_forms(one) or [one])]


def _reference(name: str) -> dict[str, Any]:
    """The schema ``name``, or its like where a model is named."""
    schema = {"$ref": REF.format(name=name)}
    if name not in OF_A_NAMED_MODEL:
        return schema
    return {"anyOf": [schema, {"$ref": REF.format(name=OF_A_NAMED_MODEL[name])}]}


def _name(status: int) -> str:
    return http.HTTPStatus(status).phrase.replace(" ", "")


def _headers(*names: str) -> dict[str, Any]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}


def _problem(status: int) -> dict[str, Any]:
    error = ApiError(status, PROBLEMS[status])
    if status == 400:
        wrong = FieldError("grid_size", "Expected int >= 8; got 4")
        error = ApiError(400, f"{wrong.field}: {wrong.detail}", errors=(wrong,))
    example = problem_of(error, path="/simulate", request_id="a724506264f64f17a8f52a725ec02398")
    more = {405: ["Allow"], 429: ["Retry-After"], 503: ["Retry-After"]}
    content = {"schema": {"$ref": REF.format(name="Problem")}, "example": example}
    return {
        "description": PROBLEMS[status],
        "headers": _headers("X-Request-ID", *more.get(status, ())),
        "content": {PROBLEM_TYPE: content},
    }


def _complete_operation(method: str, path: str, operation: dict[str, Any]) -> None:
    operation["operationId"] = operation["summary"].lower().replace(" ", "_")
    operation["summary"] = operation["description"].split("\n")[0].rstrip(".:")
    answers = {s: a for s, a in operation["responses"].items() if int(s) < 400}
    for answer in answers.values():
        answer |= {"description": "Success.", "headers": _headers("X-Request-ID")}
        content = answer["content"]
        content |= {kind: text for kind, text in TEXTS.items() if kind in content}
        if path == "/simulate":
            json = content["application/json"] = {"schema": _reference("SimulateResponse")}
            content |= dict.fromkeys(("application/msgpack", "application/x-msgpack"), json)
            content["application/x-npy"] = BINARY
            answer["headers"] |= _headers("X-MFN-Result")
    statuses = set(MORE_STATUSES.get((method, path), ()))
    if path not in PUBLIC_PATHS:
        operation["security"] = [{"key": []}, {}]
        statuses |= {401, 429, 500}
    if "{job_id}" in path:
        statuses.add(404)
    if path in BODIES:
        statuses |= {400, 413, 415} if path == "/nernst" else {400, 413, 415, 503}
        body: dict[str, Any] = {"application/json": {"schema": _reference(BODIES[path])}}
        if path == "/features":
            kinds = ("application/x-npy", "application/x-npz", "application/octet-stream")
            body |= dict.fromkeys(kinds, BINARY)
        operation["requestBody"] = {"required": True, "content": body}
    problems = {str(s): {"$ref": f"#/components/responses/{_name(s)}"} for s in sorted(statuses)}
    operation["responses"] = answers | problems
