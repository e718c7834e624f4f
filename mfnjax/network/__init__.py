"""The network, its plasticity and its training (the ``network`` extra: flax, optax, orbax)."""

from mfnjax._moved import moved
from mfnjax.network.attention import SparseAttention, sparse_attention
from mfnjax.network.differentiable import DifferentiablePipeline, steer
from mfnjax.network.model import (
    Activations,
    MyceliumFractalNet,
    NetworkConfig,
    apply_network,
    forward,
    init_network,
    network_activations,
    param_shapes,
)
from mfnjax.network.regressor import Regressor, train_regressor
from mfnjax.network.stdp import STDP, STDPRule, spike_latency, stdp_update, stdp_window
from mfnjax.network.training import (
    EpochRecord,
    TrainOptions,
    TrainResult,
    predict,
    regression_metrics,
    train,
)

__all__ = [
    "STDP",
    "Activations",
    "DifferentiablePipeline",
    "EpochRecord",
    "MyceliumFractalNet",
    "NetworkConfig",
    "Regressor",
    "STDPRule",
    "SparseAttention",
    "TrainOptions",
    "TrainResult",
    "apply_network",
    "forward",
    "init_network",
    "network_activations",
    "param_shapes",
    "predict",
    "regression_metrics",
    "sparse_attention",
    "spike_latency",
    "stdp_update",
    "stdp_window",
    "steer",
    "train",
    "train_regressor",
]

__getattr__ = moved(
    __name__,
    {
        "ValidationConfig": "mfnjax.v41.config",
        "ValidationReport": "mfnjax.v41.validation",
        "run_validation": "mfnjax.v41.validation",
    },
)
