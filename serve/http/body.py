"""JSON bodies, decoded strictly, with every wrong field reported at once.

msgspec stops at the first error. So a body is decoded whole, and only if that fails field by
field, to collect what is wrong with each.
"""

from __future__ import annotations

import contextlib
import functools
import re
from collections.abc import Generator
from typing import Any, TypeVar

import msgspec
from litestar import Request

from serve.http.errors import ApiError, FieldError

JSON_TYPE = "application/json"
MAX_ERRORS = 64
LARGE_BYTES = 2**16
MOST = {b"[": (2**18, "lists"), b":": (2**14, "names"), b",": (2**22, "values")}
"""A body that is read holds up everybody else: what it may have, by the sign that is counted."""
T = TypeVar("T")


async def json_body(request: Request[Any, Any, Any], model: type[T]) -> T:
    """Return the body of ``request`` as a ``model``.

    Raises:
        ApiError: 415, it is not JSON; 400, with all the wrong fields.
    """
    return decode_json(await json_bytes(request), model)


async def json_bytes(request: Request[Any, Any, Any]) -> bytes:
    """Return the body of ``request``, not decoded.

    Raises:
        ApiError: 415, it is not JSON.
    """
    body, given = await request.body(), content_type(request)
    if given != JSON_TYPE:
        raise ApiError(415, f"the body must be {JSON_TYPE}, got {given[:80] or 'no type'!r}")
    return body


def decode_json(body: bytes, model: type[T]) -> T:
    """Return ``body`` as a ``model``.

    Raises:
        ApiError: 400, with all the wrong fields.
    """
    if len(body) > LARGE_BYTES:
        _check_parts(body)
    try:
        decoded: T = _decoder(model).decode(body)  # type: ignore[arg-type]
        return decoded
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise _invalid(body, model, error) from None


def _check_parts(body: bytes) -> None:
    for sign, (most, what) in MOST.items():
        if body.count(sign) > most:
            raise ApiError(413, f"The body has more than the {most} {what} allowed.")


@functools.cache
def _decoder(model: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(model)


def _invalid(body: bytes, model: Any, error: Exception) -> ApiError:
    errors = tuple(_field_errors(body, model))[:MAX_ERRORS]
    if not errors:
        errors = (FieldError("", _sentence(error)),)
    listed = "; ".join(f"{e.field}: {e.detail}" if e.field else e.detail for e in errors)
    return ApiError(400, listed, errors=errors)


def _field_errors(body: bytes, model: Any) -> Generator[FieldError, None, None]:
    try:
        values = _decoder(dict[str, msgspec.Raw]).decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(model)}
    strict = model.__struct_config__.forbid_unknown_fields
    for name in values:
        if strict and name not in fields:
            yield FieldError(name[:64], f"no such field; the fields are {', '.join(fields)}")
    for name, field in fields.items():
        if name not in values:
            if field.required:
                yield FieldError(name, "missing")
            continue
        try:
            _decoder(field.type).decode(values[name])
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            path, got = _path(error), bytes(values[name])[:40].decode("utf-8", "replace")
            yield FieldError(name + path, f"{_sentence(error)}; got {got}")


def _path(error: Exception) -> str:
    found = re.search(r" - at `\$(.*)`$", str(error))
    return found.group(1) if found else ""


def _sentence(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    return re.sub(r" - at `.*`$", "", str(error)).replace("`", "")


def content_type(connection: Any) -> str:
    """The media type of a request's body, without its parameters; empty where none is given."""
    for name, value in connection.scope["headers"]:
        if name == b"content-type":
            text: str = value.decode("latin-1")
            return text if text == JSON_TYPE else text.partition(";")[0].strip().lower()
    return ""


def accepted(connection: Any, offered: tuple[str, ...]) -> str:
    """The one of ``offered`` that the request's ``Accept`` likes best; else the first of all.

    Of what is liked alike, what is named first counts.
    """
    for name, value in connection.scope["headers"]:
        if name == b"accept":
            ranges = [_media_range(part) for part in value.decode("latin-1").lower().split(",")]
            for quality, wanted in sorted(ranges, key=lambda one: -one[0]):
                form = next((form for form in offered if _matches(form, wanted)), None)
                if form is not None and quality > 0:
                    return form
    return offered[0]


def _media_range(text: str) -> tuple[float, str]:
    """(q, type) of a part of an ``Accept``; a q that cannot be read is 1."""
    wanted, *parameters = (part.strip() for part in text.split(";"))
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        if name.strip() == "q":
            with contextlib.suppress(ValueError):
                return float(value), wanted
    return 1.0, wanted


def _matches(form: str, wanted: str) -> bool:
    kind, _, rest = wanted.partition("/")
    return form == wanted or (rest == "*" and kind in ("*", form.partition("/")[0]))
