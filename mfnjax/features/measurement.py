"""One measurement of a field, a history or a mask: features, area, components, box counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, final

import numpy as np

from mfnjax.features.config import FeatureConfig
from mfnjax.images import pad_to_power_of_two


@final
@dataclass(frozen=True)
class Measurement:
    """What `measure` found.

    Attributes:
        kind: ``field``, ``history`` or ``mask``.
        shape: (H, W).
        features: The 18 by name; None for what a mask does not have.
        area: Set cells of the mask (a field: above the low threshold).
        n4: Its components with 4-connectivity.
        n8: Its components with 8-connectivity.
        box_sizes: Box sides, cells.
        box_counts: Occupied boxes of each side.
    """

    kind: str
    shape: tuple[int, int]
    features: dict[str, float | int | None]
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
) -> Measurement:
    """Measure a field (H, W) or history (T, H, W) in volts, or a boolean mask (H, W).

    Args:
        array: What to measure.
        config: How; None is the default configuration.
        sizes: Box sides in place of the configuration's.
        pad: Count boxes on the mask padded with background to the next power of two, square.
            Only box counts, D_box and D_r2 see the padding.

    Returns:
        The measurement.

    Raises:
        ParameterError: Wrong shape, kind or sizes.
        DataError: A cell is not finite.
    """
    from mfnjax.features import cluster_statistics_host, compute_features
    from mfnjax.fractal.box_counting import box_counting_dimension

    config = FeatureConfig() if config is None else config
    features = compute_features(array, config).to_json_dict()
    mask = _mask(array, config)
    boxes = box_counting_dimension(
        pad_to_power_of_two(mask) if pad else mask,
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
    kind = "mask" if array.dtype == np.bool_ else ("field" if array.ndim == 2 else "history")
    return Measurement(
        kind=kind,
        shape=(mask.shape[0], mask.shape[1]),
        features=features,
        area=int(mask.sum()),
        n4=n4,
        n8=n8,
        box_sizes=list(boxes.sizes),
        box_counts=np.asarray(boxes.counts).tolist(),
    )


def _mask(array: np.ndarray, config: FeatureConfig) -> np.ndarray:
    """The mask that features 1, 2, 13, 14, 17 and 18 speak of."""
    if array.dtype == np.bool_:
        return array
    import jax

    final = array if array.ndim == 2 else array[-1]
    # Compared in the dtype that the features were computed in.
    final = final.astype(jax.dtypes.canonicalize_dtype(final.dtype), copy=False)
    return final > np.asarray(config.threshold_low_mv / 1000, final.dtype)
