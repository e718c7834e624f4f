"""Errors on the wire: RFC 9457 problem details with a stable ``error_code``.

One class is raised inside the server, one function turns anything raised into an answer. What is
not expected becomes an ``INTERNAL_ERROR`` that says nothing of the inside; the log has the rest.
"""

from __future__ import annotations

import http
import logging
import math
import sqlite3
from typing import Any, final

import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from mfnjax.errors import MfnError, NumericalInstabilityError

log = logging.getLogger("serve")

CODES = {
    400: "VALIDATION_ERROR",
    401: "AUTHENTICATION_REQUIRED",
    404: "NOT_FOUND",
    405: "METHOD_NOT_ALLOWED",
    408: "REQUEST_TIMEOUT",
    409: "CONFLICT",
    413: "PAYLOAD_TOO_LARGE",
    414: "URI_TOO_LONG",
    415: "UNSUPPORTED_MEDIA_TYPE",
    422: "NUMERICAL_INSTABILITY",
    429: "RATE_LIMIT_EXCEEDED",
    431: "HEADERS_TOO_LARGE",
    500: "INTERNAL_ERROR",
    503: "OVERLOADED",
}
CLIENT_GONE = 499
PROBLEM_TYPE = "application/problem+json"
REFUSED = "refused"
"""Key of the `ApiError` in the scope of a request that was refused while its body came."""


@final
class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field; ``field`` is empty where it is the body as a whole."""

    field: str
    detail: str


@final
class ApiError(Exception):
    """An error meant for the client.

    Attributes:
        status: HTTP status.
        detail: One sentence for a person.
        error_code: Stable name; by default that of the status.
        errors: The wrong fields, all of them.
        headers: More headers of the answer.
    """

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        error_code: str | None = None,
        errors: tuple[FieldError, ...] = (),
        headers: dict[str, str] | None = None,
    ) -> None:
        self.status = status
        self.detail = detail
        self.error_code = error_code or CODES[status]
        self.errors = errors
        self.headers = headers or {}
        super().__init__(detail)


def overloaded(detail: str, retry_after_s: float) -> ApiError:
    """A 503 that says when to come back."""
    return ApiError(503, detail, headers={"Retry-After": str(max(1, math.ceil(retry_after_s)))})


def invalid(field: str, detail: str) -> ApiError:
    """A 400 for one field."""
    return ApiError(400, detail, errors=(FieldError(field, detail),))


@final
class Problem(msgspec.Struct, kw_only=True, omit_defaults=True):
    """Problem details (RFC 9457)."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    instance: str
    error_code: str
    request_id: str
    field: str = ""
    errors: tuple[FieldError, ...] = ()


def as_api_error(error: BaseException) -> ApiError:
    """What the client is told of ``error``."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, NumericalInstabilityError):
        return ApiError(422, str(error))
    if isinstance(error, MfnError):
        return ApiError(400, str(error))
    if isinstance(error, sqlite3.OperationalError):
        log.warning("the store of jobs cannot be used: %s", error)
        return overloaded("The store of jobs is busy.", 1)
    if isinstance(error, HTTPException) and error.status_code in CODES and error.status_code < 500:
        return ApiError(error.status_code, _detail(error), headers=dict(error.headers or {}))
    return ApiError(500, "An unexpected error happened; the request id finds it in the log.")


def _detail(error: HTTPException) -> str:
    fixed = {
        404: "There is no such endpoint.",
        405: "The endpoint does not take this method.",
        413: "The body is larger than MFN_MAX_BODY_BYTES.",
    }
    return fixed.get(error.status_code, error.detail)


def problem_of(api_error: ApiError, *, path: str, request_id: str) -> Problem:
    """The problem document of an error."""
    return Problem(
        title=http.HTTPStatus(api_error.status).phrase,
        status=api_error.status,
        detail=api_error.detail,
        instance=path,
        error_code=api_error.error_code,
        request_id=request_id,
        field=api_error.errors[0].field if api_error.errors else "",
        errors=api_error.errors,
    )


def request_problem(request: Request[Any, Any, Any], api_error: ApiError) -> Problem:
    """The problem document of an error of ``request``."""
    request_id = str(request.scope.get("request_id", ""))
    return problem_of(api_error, path=request.scope["path"], request_id=request_id)


def problem_response(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """The answer to a request that raised ``error``."""
    api_error = as_api_error(error)
    if api_error.status == 500:
        extra = {"request_id": request.scope.get("request_id", "")}
        log.error("unexpected error", exc_info=error, extra=extra)
    return Response(
        content=msgspec.json.encode(request_problem(request, api_error)),
        status_code=api_error.status,
        media_type=PROBLEM_TYPE,
        headers=api_error.headers,
    )
