"""A network with the scales of its data and the names of its columns: train, save, predict."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from mfnjax._files import replacing
from mfnjax.errors import DataError, ParameterError
from mfnjax.network.checkpoints import check_same_shapes
from mfnjax.network.model import NetworkConfig, Params, param_shapes
from mfnjax.network.training import (
    TrainOptions,
    TrainResult,
    predict,
    regression_metrics,
    train,
)

_FORMAT = "mfnjax-regressor-1"


@dataclasses.dataclass(frozen=True)
class Scale:
    """Mean and standard deviation by column; a column that does not vary has deviation 1."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def of(cls, values: np.ndarray) -> Scale:
        """The scale of the columns of (n, …).

        Raises:
            DataError: The squares of the values are beyond floating point.
        """
        with np.errstate(over="ignore", invalid="ignore"):
            mean, deviation = values.mean(axis=0), values.std(axis=0)
        if not np.isfinite(deviation).all():
            largest = np.abs(values).max()
            raise DataError(f"values up to {largest:.3g} cannot be scaled: their squares overflow")
        # Rounding of a constant column is no variation: it would be blown up to order 1.
        flat = deviation <= 1e-9 * np.maximum(np.abs(mean), np.finfo(float).tiny)
        return cls(mean, np.where(flat, 1.0, deviation))

    def apply(self, values: np.ndarray) -> np.ndarray:
        """To mean 0 and deviation 1."""
        return (values - self.mean) / self.deviation

    def undo(self, values: np.ndarray) -> np.ndarray:
        """Back to the units of the data."""
        return values * self.deviation + self.mean


@dataclasses.dataclass(frozen=True)
class Regressor:
    """A trained network that takes and gives numbers in the units of its data.

    Attributes:
        config: Shape of the network.
        params: Its weights, for scaled inputs and targets.
        inputs: Scale of the inputs.
        target: Scale of the target.
        input_names: Columns, in order.
        target_name: What is predicted.
        metrics: Held-out ``mse``, ``mae``, ``r2``, ``gain`` (empty without held-out data).
    """

    config: NetworkConfig
    params: Params
    inputs: Scale
    target: Scale
    input_names: tuple[str, ...]
    target_name: str
    metrics: dict[str, float]

    def predict(self, x: Any) -> np.ndarray:
        """Predictions (n,) for inputs (n, columns).

        Raises:
            DataError: Another number of columns, a value that is not finite, or one so far from
                the training data that the network overflows.
        """
        values = np.asarray(x)
        if values.ndim != 2 or values.shape[1] != len(self.input_names):
            raise DataError(
                f"inputs must have shape (n, {len(self.input_names)}) with the columns "
                f"{', '.join(self.input_names)}; got {values.shape}"
            )
        values = _floats(values, "inputs")
        with np.errstate(over="ignore", invalid="ignore"):
            found = self.target.undo(predict(self.config, self.params, self.inputs.apply(values)))
        bad = ~np.isfinite(found)
        if bad.any():
            raise DataError(
                f"row {int(bad.argmax())} lies so far from the training data that the network "
                f"overflows {self.config.dtype}"
            )
        return found

    def save(self, path: str | Path) -> Path:
        """Write everything to one ``.npz`` file, whole or not at all; returns the path.

        Raises:
            DataError: The name does not end in .npz, or the file cannot be written.
        """
        path = _npz(path)
        arrays: dict[str, Any] = {
            f"params.{name}": np.asarray(leaf) for name, leaf in _flat(self.params).items()
        }
        for name in ("inputs", "target"):
            scale = getattr(self, name)
            arrays |= {f"{name}.mean": scale.mean, f"{name}.deviation": scale.deviation}
        about = {
            "format": _FORMAT,
            "config": dataclasses.asdict(self.config),
            "input_names": list(self.input_names),
            "target_name": self.target_name,
            "metrics": self.metrics,
        }
        with replacing(path) as beside, beside.open("wb") as file:
            np.savez(file, about=np.array(json.dumps(about)), **arrays)
        return path

    @classmethod
    def load(cls, path: str | Path) -> Regressor:
        """Read what `save` wrote.

        Raises:
            DataError: No such file, another kind of file, or weights of another shape.
        """
        path = _npz(path)
        try:
            with np.load(path, allow_pickle=False) as file:
                about = json.loads(str(file["about"]))
                arrays = {name: file[name] for name in file.files if name != "about"}
            if about["format"] != _FORMAT:
                raise ValueError("another format")
            config = NetworkConfig(**about["config"])
            names = tuple(about["input_names"])
            inputs, target = (
                Scale(arrays.pop(f"{name}.mean"), arrays.pop(f"{name}.deviation"))
                for name in ("inputs", "target")
            )
        except FileNotFoundError:
            raise DataError(f"{path}: no such file") from None
        except ParameterError as error:
            raise DataError(f"{path}: {error}") from error
        except Exception as error:  # a damaged zip fails in many ways, all of them this one
            raise DataError(f"{path}: not a network saved by mfnjax ({error})") from error
        shapes = param_shapes(config)
        saved = {name.removeprefix("params."): value for name, value in arrays.items()}
        check_same_shapes(path, saved, _flat(shapes))
        leaves = [jax.numpy.asarray(saved[name]) for name in _flat(shapes)]
        params = jax.tree.unflatten(jax.tree.structure(shapes), leaves)
        return cls(config, params, inputs, target, names, about["target_name"], about["metrics"])


def train_regressor(
    x: Any,
    y: Any,
    *,
    input_names: Sequence[str] | None = None,
    target_name: str = "target",
    held_out: tuple[Any, Any] | None = None,
    hidden_dim: int = 32,
    use_attention: bool = True,
    topk: int = 4,
    num_heads: int = 1,
    dtype: str = "float32",
    options: TrainOptions | None = None,
    checkpoints: str | Path | None = None,
    checkpoint_every_s: float = 0.0,
    on_epoch: Any = None,
) -> tuple[Regressor, TrainResult]:
    """Train a network on columns in their own units.

    Inputs and target are scaled to mean 0 and deviation 1 over the training data.

    Args:
        x: Inputs (n, columns).
        y: Targets (n,).
        input_names: A name per column; default x0, x1, ….
        target_name: Name of the target.
        held_out: (x, y), monitored for early stopping and measured at the end.
        hidden_dim: Width of the network.
        use_attention: Whether it has its attention.
        topk: Keys per query of the attention.
        num_heads: Heads of the attention.
        dtype: ``float32`` or ``float64``.
        options: `TrainOptions`.
        checkpoints: Folder to save to and resume from, or None.
        checkpoint_every_s: As in `train`.
        on_epoch: Called with each `EpochRecord` (losses in scaled units).

    Returns:
        (`Regressor`, `TrainResult`).

    Raises:
        DataError: No samples, a value that is not finite, shapes that do not fit.
        NumericalInstabilityError: The loss became NaN or infinite.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.ndim != 2 or x.size == 0:
        raise DataError(f"inputs must have shape (n, columns) with n ≥ 1, got {x.shape}")
    names = tuple(input_names or (f"x{i}" for i in range(x.shape[1])))
    if len(names) != x.shape[1]:
        raise ParameterError(f"{len(names)} input_names for {x.shape[1]} columns")
    x, y = _floats(x, "inputs"), _floats(y, "targets").reshape(-1)
    inputs, target = Scale.of(x), Scale.of(y)
    config = NetworkConfig(
        input_dim=x.shape[1],
        hidden_dim=hidden_dim,
        use_attention=use_attention,
        topk=topk,
        num_heads=num_heads,
        dtype=dtype,
    )
    scaled = None
    if held_out is not None:
        far_x, far_y = np.asarray(held_out[0], float), np.asarray(held_out[1], float)
        scaled = (inputs.apply(far_x), target.apply(far_y.reshape(-1)))
    result = train(
        config,
        inputs.apply(x),
        target.apply(y),
        options=options,
        held_out=scaled,
        checkpoints=checkpoints,
        checkpoint_every_s=checkpoint_every_s,
        on_epoch=on_epoch,
    )
    regressor = Regressor(config, result.params, inputs, target, names, target_name, {})
    if held_out is not None:
        metrics = regression_metrics(regressor.predict(held_out[0]), held_out[1])
        regressor = dataclasses.replace(regressor, metrics=metrics)
    return regressor, result


def _flat(tree: Params) -> dict[str, Any]:
    leaves, _ = jax.tree_util.tree_flatten_with_path(tree)
    return {jax.tree_util.keystr(path, simple=True, separator="."): leaf for path, leaf in leaves}


def _floats(values: np.ndarray, name: str) -> np.ndarray:
    if values.dtype.kind not in "fiub":
        raise DataError(f"{name} must be numbers, got dtype {values.dtype}")
    bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if bad.any():
        raise DataError(f"{name}: row {int(np.argmax(bad))} holds a value that is not finite")
    return values.astype(np.float64)


def _npz(path: str | Path) -> Path:
    path = Path(path)
    if path.suffix != ".npz":
        raise DataError(f"{path}: a network file ends in .npz")
    return path
