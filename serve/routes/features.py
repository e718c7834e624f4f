"""The 18 features of a field or a history, from JSON, ``.npy`` or ``.npz``."""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
from litestar import Request, post
from litestar.params import Parameter

from mfnjax.features.record import TEMPORAL_FEATURES
from mfnjax.features.vector import LARGEST_MV
from serve.engine.library import DIMENSION, FEATURES
from serve.http.arrays import read_array
from serve.http.body import JSON_TYPE, content_type, decode_json
from serve.http.errors import ApiError, invalid
from serve.schemas import FeaturesRequest, FeaturesResponse
from serve.service import service_of

BINARY_TYPES = ("application/octet-stream", "application/x-npy", "application/x-npz")

Wanted = Annotated[bool, Parameter(description="Measure D_fit, D_low and D_high, too.")]


@post("/features", status_code=200, tags=["features"])
async def features(request: Request[Any, Any, Any], dimension: Wanted = False) -> FeaturesResponse:
    """Measure the 18 features of a field, a history or a mask.

    JSON is in millivolts; `.npy` and `.npz` hold volts, or a boolean mask. An `.npz` file's array
    is named `history`, `field` or `mask`, or is its only one. What a mask or a field does not have
    is null.

    `D_box` counts a few boxes; with `?dimension=true` there are also `D_fit`, the dimension to
    trust, and the ends `D_low` and `D_high` of its interval of 95 % (null where nothing scales).
    """
    service = service_of(request)
    given = content_type(request)
    if given == JSON_TYPE:
        name, array = _from_json(await request.body())
    elif given in BINARY_TYPES:
        name = "the array"
        array = read_array(await request.body(), max_bytes=service.settings.max_body_bytes)
    else:
        expected = ", ".join((JSON_TYPE, *BINARY_TYPES))
        raise ApiError(415, f"the body must be one of {expected}; got {given[:80] or 'no type'!r}")
    checked = _checked(name, array)
    vector = await service.submit(request, FEATURES, checked)
    # What is not known of one frame is null; all else is a number.
    unknown = () if checked.ndim == 3 and len(checked) > 1 else TEMPORAL_FEATURES
    known = [value for name, value in vector.items() if name not in unknown]
    if checked.dtype != np.bool_ and not all(map(math.isfinite, known)):
        raise ArithmeticError("a feature of a field is not finite")
    found = vector.to_json_dict()
    if dimension:
        found |= await service.submit(request, DIMENSION, checked)
    return FeaturesResponse(features=found)


def _from_json(body: bytes) -> tuple[str, np.ndarray]:
    data = decode_json(body, FeaturesRequest)
    if (data.field_mV is None) == (data.history_mV is None):
        raise invalid("field_mV", "expected exactly one of field_mV and history_mV")
    name, values = (
        ("field_mV", data.field_mV) if data.history_mV is None else ("history_mV", data.history_mV)
    )
    try:
        return name, np.asarray(values, np.float64) / 1e3
    except ValueError:
        raise invalid(name, "the rows must be of one length") from None


def _checked(name: str, array: np.ndarray) -> np.ndarray:
    frames = (2,) if array.dtype == np.bool_ or name == "field_mV" else (2, 3)
    if name == "history_mV":
        frames = (3,)
    if array.ndim not in frames or 0 in array.shape:
        raise invalid(name, f"expected {' or '.join(map(str, frames))} axes, got {array.shape}")
    if array.dtype == np.bool_:
        return np.ascontiguousarray(array)
    array = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(array).all():
        raise invalid(name, "every cell must be finite")
    largest = 1e3 * float(np.abs(array).max())
    if largest > LARGEST_MV:
        raise invalid(
            name,
            f"potentials must lie within ±{LARGEST_MV:g} mV, got {largest:.6g} mV (JSON is in "
            "millivolts, .npy and .npz are in volts)",
        )
    return array
