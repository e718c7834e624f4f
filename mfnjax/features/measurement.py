"""One measurement of a field, a history or a mask: features, area, components, box counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from mfnjax.errors import DataError, ParameterError
from mfnjax.features.config import FeatureConfig
from mfnjax.images import pad_to_power_of_two

if TYPE_CHECKING:
    from mfnjax.fractal import DimensionEstimate


@final
@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    Attributes:
        kind: ``field``, ``history`` or ``mask``.
        shape: Of a frame: (H, W), (W,) or (D, H, W).
        features: The 18 by name; None for what a mask does not have.
        fit: The dimension to trust, with its interval: `mfnjax.fractal.fractal_dimension` of the
            mask; None where it has not two axes of up to 4096 cells, or nothing to scale.
        area: Set cells of the mask (a field: above the low threshold).
        n4: Its components of cells that share a face (4 neighbours in the plane).
        n8: Its components of cells that touch (8 neighbours in the plane).
        box_sizes: Box sides, cells.
        box_counts: Occupied boxes of each side.
    """

    kind: str
    shape: tuple[int, ...]
    features: dict[str, float | int | None]
    fit: DimensionEstimate | None
    area: int
    n4: int
    n8: int
    box_sizes: list[int]
    box_counts: list[int]

    def to_dict(self) -> dict[str, Any]:
        """Everything in one flat dict of JSON values."""
        return {
            "kind": self.kind,
            "shape": list(self.shape),
            **self.features,
            **dimension_columns(self.fit),
            "area": self.area,
            "n4": self.n4,
            "n8": self.n8,
            "box_sizes": self.box_sizes,
            "box_counts": self.box_counts,
        }


def measure(
    array: np.ndarray,
    config: FeatureConfig | None = None,
    *,
    sizes: tuple[int, ...] | None = None,
    pad: bool = False,
    fractions: np.ndarray | None = None,
    ndim: int | None = None,
) -> Measurement:
    """Measure a field (H, W) or history (T, H, W) in volts, or a boolean mask (H, W).

    They may have one or three axes of space instead.

    Args:
        array: What to measure.
        config: How; None is the default configuration.
        sizes: Box sides in place of the configuration's.
        pad: Count boxes on the mask padded with background to the next power of two, square.
            Only box counts, D_box and D_r2 see the padding. For (H, W).
        fractions: The fraction of each cell that takes part: `compute_features`' ``mask``.
        ndim: Axes of space, as in `compute_features`.

    Returns:
        The measurement.

    Raises:
        ParameterError: Wrong shape, kind or sizes.
        DataError: A cell is not finite.
    """
    from mfnjax.features import cluster_statistics_host, compute_features
    from mfnjax.features.vector import _check_array
    from mfnjax.fractal.box_counting import box_counting_dimension

    config = FeatureConfig() if config is None else config
    found = compute_features(array, config, mask=fractions, ndim=ndim)
    features = found.to_json_dict()
    kind = _check_array(array, fractions, ndim)
    mask = active_mask(array[-1] if kind.has_time else array, config)
    if fractions is not None:
        mask = mask & (np.asarray(fractions) > 0)
    if pad and mask.ndim != 2:
        raise ParameterError(f"padding is for an image (H, W), got shape {mask.shape}")
    boxes = box_counting_dimension(
        pad_to_power_of_two(mask) if pad else mask.reshape(kind.space),
        sizes=sizes,
        min_box_size=config.min_box_size,
        max_box_size=config.max_box_size,
        num_scales=config.num_scales,
    )
    if sizes is not None or pad:
        features["D_box"] = float(boxes.dimension)
        features["D_r2"] = float(boxes.r_squared)
    n4, n8 = (
        cluster_statistics_host(mask, connectivity=c, periodic=config.periodic).count
        for c in (4, 8)
    )
    name = "mask" if array.dtype == np.bool_ else ("history" if kind.has_time else "field")
    return Measurement(
        kind=name,
        shape=mask.shape,
        features=features,
        fit=dimension_of(mask),
        area=int(mask.sum()),
        n4=n4,
        n8=n8,
        box_sizes=list(boxes.sizes),
        box_counts=np.asarray(boxes.counts).tolist(),
    )


DIMENSION_COLUMNS = ("D_fit", "D_low", "D_high")
"""The dimension to trust, and its interval of 95 %."""


def dimension_columns(fit: DimensionEstimate | None) -> dict[str, float | None]:
    """`DIMENSION_COLUMNS` of what `dimension_of` found."""
    values = (None,) * 3 if fit is None else (fit.dimension, *fit.interval)
    return dict(zip(DIMENSION_COLUMNS, values, strict=True))


def dimension_of(mask: np.ndarray) -> DimensionEstimate | None:
    """`mfnjax.fractal.fractal_dimension`, or None of a mask that has none.

    That is one without two axes of up to 4096 cells, or with nothing to scale.
    """
    from mfnjax.fractal.dimension import fractal_dimension

    try:
        return fractal_dimension(mask)
    except (DataError, ParameterError):  # too small, too large, or no image
        return None


def active_mask(final: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The mask that features 1, 2, 13, 14, 17 and 18 speak of."""
    if final.dtype == np.bool_:
        return final
    import jax

    # Compared in the dtype that the features were computed in.
    final = final.astype(jax.dtypes.canonicalize_dtype(final.dtype), copy=False)
    return final > np.asarray(config.threshold_low_mv / 1000, final.dtype)
