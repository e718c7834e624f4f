"""How the 18 features are measured."""

from __future__ import annotations

import dataclasses

from mfnjax._checks import check_int
from mfnjax._parameter import Parameter, parameter
from mfnjax._plain_config import PlainConfig
from mfnjax.errors import ParameterError

_THRESHOLD = Parameter(-60.0, unit="mV", low=-100.0, high=50.0)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureConfig(PlainConfig):
    """How the 18 features are measured. The thresholds rise strictly.

    Raises:
        ParameterError: A value is outside its range.
    """

    min_box_size: int = parameter(
        2, unit="cells", low=1, high=2**20, text="Smallest box of the box count"
    )
    max_box_size: int | None = parameter(
        None, unit="cells", low=1, high=2**20, text="Largest box; none: the field's size decides"
    )
    num_scales: int = parameter(5, low=2, high=20, text="Number of box sizes")
    threshold_low_mv: float = parameter(
        like=_THRESHOLD, text="Threshold of the active mask and of the first cluster count"
    )
    threshold_med_mv: float = parameter(
        -50.0, like=_THRESHOLD, text="Threshold of the second cluster count"
    )
    threshold_high_mv: float = parameter(
        -40.0, like=_THRESHOLD, text="Threshold of the third cluster count"
    )
    stability_threshold_mv: float = parameter(
        0.001,
        unit="mV",
        low=0.0,
        high=1e6,
        text="A step with a spatial std of |ΔV| below it is calm",
    )
    stability_window: int = parameter(
        10, unit="steps", low=1, high=2**20, text="Calm steps in a row that make a field stable"
    )
    connectivity: int = parameter(
        4, choices=(4, 8), text="4 or 8 neighbours join a cluster (in 1-D 2, in 3-D 6 or 26)"
    )
    periodic: bool = parameter(False, text="Clusters wrap around the edges")

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.max_box_size is not None:
            check_int("max_box_size", self.max_box_size, self.min_box_size, 2**20)
        low, med, high = self.threshold_low_mv, self.threshold_med_mv, self.threshold_high_mv
        if not low < med < high:
            raise ParameterError(
                "thresholds must rise strictly: threshold_low_mv < threshold_med_mv < "
                f"threshold_high_mv, got {low:g}, {med:g}, {high:g}"
            )


def make_feature_config_demo() -> FeatureConfig:
    """The documented demo measurement: three box sizes."""
    return FeatureConfig(num_scales=3)


def make_feature_config_default() -> FeatureConfig:
    """The documented default measurement: five box sizes."""
    return FeatureConfig()
