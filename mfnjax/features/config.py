"""How the 18 features are measured."""

from __future__ import annotations

import dataclasses

from mfnjax._checks import check_bool, check_choice, check_int, check_real
from mfnjax._plain_config import PlainConfig, _set
from mfnjax.errors import ParameterError


@dataclasses.dataclass(frozen=True, kw_only=True)
class FeatureConfig(PlainConfig):
    """How the 18 features are measured.

    Attributes:
        min_box_size: Smallest box of the box count, in cells, ≥ 1.
        max_box_size: Largest box; None lets the field's size decide.
        num_scales: Number of box sizes, 2…20.
        threshold_low_mv: Threshold of the active mask and of the first cluster count.
        threshold_med_mv: Threshold of the second cluster count.
        threshold_high_mv: Threshold of the third; strictly rising, each in [−100, 50] mV.
        stability_threshold_mv: A step is calm below this spatial std of |ΔV|, in mV.
        stability_window: Calm steps in a row that make a field stable, ≥ 1.
        connectivity: 4 or 8 neighbours join a cluster.
        periodic: Clusters wrap around the edges.

    Raises:
        ParameterError: A value is outside its range.
    """

    min_box_size: int = 2
    max_box_size: int | None = None
    num_scales: int = 5
    threshold_low_mv: float = -60.0
    threshold_med_mv: float = -50.0
    threshold_high_mv: float = -40.0
    stability_threshold_mv: float = 0.001
    stability_window: int = 10
    connectivity: int = 4
    periodic: bool = False

    def __post_init__(self) -> None:
        _set(self, "min_box_size", check_int("min_box_size", self.min_box_size, 1, 2**20))
        if self.max_box_size is not None:
            _set(
                self,
                "max_box_size",
                check_int("max_box_size", self.max_box_size, self.min_box_size, 2**20),
            )
        _set(self, "num_scales", check_int("num_scales", self.num_scales, 2, 20))
        names = ("threshold_low_mv", "threshold_med_mv", "threshold_high_mv")
        for name in names:
            _set(self, name, check_real(name, getattr(self, name), -100.0, 50.0))
        low, med, high = (getattr(self, name) for name in names)
        if not low < med < high:
            raise ParameterError(
                "thresholds must rise strictly: threshold_low_mv < threshold_med_mv < "
                f"threshold_high_mv, got {low:g}, {med:g}, {high:g}"
            )
        _set(
            self,
            "stability_threshold_mv",
            check_real("stability_threshold_mv", self.stability_threshold_mv, 0.0, 1e6),
        )
        _set(
            self, "stability_window", check_int("stability_window", self.stability_window, 1, 2**20)
        )
        _set(self, "connectivity", check_choice("connectivity", self.connectivity, (4, 8)))
        _set(self, "periodic", check_bool("periodic", self.periodic))


def make_feature_config_demo() -> FeatureConfig:
    """The documented demo measurement: three box sizes."""
    return FeatureConfig(num_scales=3)


def make_feature_config_default() -> FeatureConfig:
    """The documented default measurement: five box sizes."""
    return FeatureConfig()
