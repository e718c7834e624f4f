"""The former place of the configurations: import them from `mfnjax`."""

from mfnjax._moved import moved

__getattr__ = moved(
    __name__,
    {
        "DatasetConfig": "mfnjax",
        "FeatureConfig": "mfnjax",
        "SimulationConfig": "mfnjax",
        "ValidationConfig": "mfnjax.v41",
        "make_dataset_config_default": "mfnjax",
        "make_dataset_config_demo": "mfnjax",
        "make_feature_config_default": "mfnjax",
        "make_feature_config_demo": "mfnjax",
        "make_simulation_config_default": "mfnjax",
        "make_simulation_config_demo": "mfnjax",
    },
)
