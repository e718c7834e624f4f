"""The training loop: epochs of Adam, early stopping, checkpoints that resume bit for bit."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from mfnjax._checks import check_int, check_kind, check_real
from mfnjax._plain_config import SEED_MAX
from mfnjax.errors import DataError, NumericalInstabilityError, ParameterError
from mfnjax.network.checkpoints import Checkpoints
from mfnjax.network.model import NetworkConfig, Params, forward, init_network
from mfnjax.network.stdp import STDPRule
from mfnjax.network.step import TrainState, init_state, mean_loss, train_epoch


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions:
    """How to train.

    Attributes:
        epochs: Most epochs, ≥ 1.
        batch_size: Samples per step, ≥ 1 (at most the data set is used).
        learning_rate: Of Adam, (0, 1].
        seed: Of the first weights and of the order of the samples, 0…2³² − 1.
        patience: Stop after so many epochs without a better monitored loss, and return the
            weights of the best; None trains through and returns the last.
        min_delta: How much lower counts as better, ≥ 0.
        stdp: Three-factor update beside Adam, or None.

    Raises:
        ParameterError: A value is outside its range.
    """

    epochs: int = 1
    batch_size: int = 4
    learning_rate: float = 1e-3
    seed: int = 42
    patience: int | None = None
    min_delta: float = 0.0
    stdp: STDPRule | None = None

    def __post_init__(self) -> None:
        check_int("epochs", self.epochs, 1, 10**9)
        check_int("batch_size", self.batch_size, 1, 10**9)
        check_real("learning_rate", self.learning_rate, 0.0, 1.0, open_low=True)
        check_int("seed", self.seed, 0, SEED_MAX)
        check_real("min_delta", self.min_delta, 0.0, 1e30)
        if self.patience is not None:
            check_int("patience", self.patience, 1, 10**9)
        if self.stdp is not None:
            check_kind("stdp", self.stdp, STDPRule)


@dataclasses.dataclass(frozen=True)
class EpochRecord:
    """What is known of an epoch: its number, the mean loss of its batches, the held-out loss."""

    epoch: int
    loss: float
    held_out_loss: float | None


@dataclasses.dataclass(frozen=True)
class TrainResult:
    """A trained network.

    Attributes:
        config: Its shape.
        params: Its weights: of the best epoch with ``patience``, else the last.
        history: A record per epoch.
        best_epoch: Epoch (1-based) with the lowest monitored loss.
        stopped_early: Patience ran out.
    """

    config: NetworkConfig
    params: Params
    history: tuple[EpochRecord, ...]
    best_epoch: int
    stopped_early: bool


def train(
    config: NetworkConfig,
    x: Any,
    y: Any,
    *,
    options: TrainOptions | None = None,
    held_out: tuple[Any, Any] | None = None,
    params: Params | None = None,
    checkpoints: str | Path | None = None,
    checkpoint_every_s: float = 0.0,
    on_epoch: Callable[[EpochRecord], None] | None = None,
) -> TrainResult:
    """Fit the network to (x, y) by Adam on the mean squared error.

    With a checkpoint folder the state is saved after every epoch (or less often, with
    ``checkpoint_every_s``) and at the end, and a call that finds
    checkpoints there goes on from the last: interrupted and resumed training ends with the
    weights of one that ran through, bit for bit (epoch k draws its order from
    ``fold_in(key, k)``, so nothing but the saved state matters).

    Args:
        config: Shape of the network.
        x: Inputs (n, input_dim) or (n, seq, input_dim).
        y: Targets (n,) or (n, 1).
        options: `TrainOptions`.
        held_out: (x, y) whose loss is monitored for early stopping; default the training loss.
        params: First weights; default drawn from the seed.
        checkpoints: Folder, or None.
        checkpoint_every_s: Save after an epoch only if the last save is so many seconds ago;
            what a kill loses is trained again, to the same bits.
        on_epoch: Called with each `EpochRecord` after its checkpoint is written.

    Returns:
        `TrainResult`.

    Raises:
        DataError: No samples, a non-finite value, shapes that do not fit; a checkpoint of
            another network, other data or other options.
        NumericalInstabilityError: The loss became NaN or infinite; nothing is saved of it.

    Examples:
        >>> import numpy as np
        >>> x = np.linspace(-1, 1, 32)[:, None]
        >>> run = train(NetworkConfig(input_dim=1), x, x[:, 0], options=TrainOptions(epochs=30))
        >>> run.history[-1].loss < run.history[0].loss
        True
    """
    options = options or TrainOptions()
    data = check_data(config, x, y, "training data")
    monitored = None if held_out is None else check_data(config, *held_out, "held-out data")
    key = jax.random.key(options.seed)
    if params is None:
        params = init_network(config, key=jax.random.fold_in(key, 0))
    state = init_state(params, config.dtype)
    check_real("checkpoint_every_s", checkpoint_every_s, 0.0, 1e9)
    run = _Run(
        config,
        options,
        data,
        monitored,
        jax.random.fold_in(key, 1),
        on_epoch,
        checkpoint_every_s,
    )
    if checkpoints is None:
        return run.go(state, [], None)
    with Checkpoints(checkpoints) as store:
        state, history = run.resume(state, store)
        return run.go(state, history, store)


@dataclasses.dataclass(frozen=True)
class _Run:
    """The fixed parts of one training run."""

    config: NetworkConfig
    options: TrainOptions
    data: tuple[Array, Array]
    monitored: tuple[Array, Array] | None
    key: Array
    on_epoch: Callable[[EpochRecord], None] | None
    checkpoint_every_s: float

    def go(
        self, state: TrainState, history: list[EpochRecord], store: Checkpoints | None
    ) -> TrainResult:
        saved_s = time.monotonic()
        while not self._over(history):
            state, record = self._epoch(state, len(history) + 1)
            history.append(record)
            due = self._over(history) or time.monotonic() - saved_s >= self.checkpoint_every_s
            if store is not None and due:
                about = {**self._about(), "history": [dataclasses.asdict(h) for h in history]}
                store.save(record.epoch, state, about)
                saved_s = time.monotonic()
            if self.on_epoch is not None:
                self.on_epoch(record)
        params = state.params if self.options.patience is None else state.best_params
        return TrainResult(
            self.config,
            params,
            tuple(history),
            self._best(history),
            self._out_of_patience(history),
        )

    def _epoch(self, state: TrainState, epoch: int) -> tuple[TrainState, EpochRecord]:
        options, (x, y) = self.options, self.data
        rate = jnp.asarray(options.learning_rate, x.dtype)
        size = min(options.batch_size, x.shape[0])
        key = jax.random.fold_in(self.key, epoch)
        before = int(state.step)
        state, losses = train_epoch(self.config, state, x, y, rate, options.stdp, size, key=key)
        losses = np.asarray(losses)
        if not np.all(np.isfinite(losses)):
            bad = before + 1 + int(np.argmin(np.isfinite(losses)))
            raise NumericalInstabilityError("loss", bad)
        held_out = None
        if self.monitored is not None:
            held_out = float(mean_loss(self.config, state.params, *self.monitored))
            if not np.isfinite(held_out):
                raise NumericalInstabilityError("held-out loss", int(state.step))
        record = EpochRecord(epoch, float(losses.mean()), held_out)
        loss = _monitored(record)
        if loss < float(state.best_loss) - options.min_delta:
            best = jnp.asarray(loss, state.best_loss.dtype)
            state = dataclasses.replace(state, best_params=state.params, best_loss=best)
        return state, record

    def _best(self, history: list[EpochRecord]) -> int:
        best, epoch = float("inf"), 0
        for record in history:
            # The state keeps the best loss in the network's dtype: compare with the same digits.
            loss = _monitored(record)
            if loss < best - self.options.min_delta:
                best, epoch = float(np.dtype(self.config.dtype).type(loss)), record.epoch
        return epoch

    def _over(self, history: list[EpochRecord]) -> bool:
        return len(history) >= self.options.epochs or self._out_of_patience(history)

    def _out_of_patience(self, history: list[EpochRecord]) -> bool:
        patience = self.options.patience
        return patience is not None and len(history) - self._best(history) >= patience

    def _about(self) -> dict[str, Any]:
        """What a checkpoint must agree on; epochs and patience may change."""
        options, stdp = self.options, self.options.stdp
        sums = [float(np.sum(np.asarray(part, np.float64))) for part in self.data]
        return {
            "network": dataclasses.asdict(self.config),
            "batch_size": options.batch_size,
            "learning_rate": options.learning_rate,
            "seed": options.seed,
            "min_delta": options.min_delta,
            "stdp": None if stdp is None else jax.tree.map(float, _plain_rule(stdp)),
            "data": {"shape": list(self.data[0].shape), "sums": sums},
        }

    def resume(self, state: TrainState, store: Checkpoints) -> tuple[TrainState, list[EpochRecord]]:
        number = store.latest()
        if number is None:
            return state, []
        about = store.read_about(number)
        # Shapes first: they are the plainest thing to be told of.
        restored = store.read_state(number, state)
        for name, value in self._about().items():
            if about.get(name) != value:
                raise DataError(
                    f"{store.folder}: these checkpoints are of another run: {name} was "
                    f"{about.get(name)!r} there and is {value!r} now"
                )
        return restored, [EpochRecord(**record) for record in about["history"]]


def _monitored(record: EpochRecord) -> float:
    return record.loss if record.held_out_loss is None else record.held_out_loss


def _plain_rule(rule: STDPRule) -> dict[str, Any]:
    table = dataclasses.asdict(rule)
    layer = table.pop("layer")
    return {f"{layer}.{name}": value for name, value in table.items()}


def check_data(config: NetworkConfig, x: Any, y: Any, name: str) -> tuple[Array, Array]:
    """Inputs and targets as arrays of the network's dtype.

    Raises:
        DataError: No samples, shapes that do not fit, or a value that is not finite.
    """
    x, y = np.asarray(x), np.asarray(y)
    if x.size == 0 or y.size == 0:
        raise DataError(f"{name}: no samples (inputs {x.shape}, targets {y.shape})")
    if x.ndim not in (2, 3) or x.shape[-1] != config.input_dim:
        raise DataError(
            f"{name}: inputs must have shape (n, {config.input_dim}) or "
            f"(n, seq, {config.input_dim}), got {x.shape}"
        )
    if y.shape not in ((x.shape[0],), (x.shape[0], 1)):
        raise DataError(f"{name}: {x.shape[0]} inputs need targets ({x.shape[0]},), got {y.shape}")
    y = y.reshape(-1)
    for kind, values in (("input", x), ("target", y)):
        if values.dtype.kind not in "fiub":
            raise DataError(f"{name}: {kind}s must be numbers, got dtype {values.dtype}")
        bad = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if bad.any():
            raise DataError(f"{name}: the {kind} of sample {int(np.argmax(bad))} is not finite")
    dtype = config.dtype
    return jnp.asarray(x.astype(dtype)), jnp.asarray(y.astype(dtype))


def predict(config: NetworkConfig, params: Params, x: Any) -> np.ndarray:
    """Predictions (n,) for inputs (n, …), which are converted to the network's dtype."""
    x = np.asarray(x)
    if x.shape[0] == 0:
        return np.zeros((0,), config.dtype)
    return np.asarray(forward(config, params, jnp.asarray(x.astype(config.dtype))))[:, 0]


def regression_metrics(prediction: Any, target: Any) -> dict[str, float]:
    """``mse``, ``mae``, ``r2`` and ``gain``: the mse of predicting the mean over that here.

    Examples:
        >>> regression_metrics([1.0, 2.0, 3.5], [1.0, 2.0, 3.0])["mae"]
        0.16666666666666666
    """
    prediction = np.asarray(prediction, np.float64).reshape(-1)
    target = np.asarray(target, np.float64).reshape(-1)
    if prediction.shape != target.shape or target.size == 0:
        raise ParameterError(
            f"prediction and target must have one length > 0, got {prediction.size} and "
            f"{target.size}"
        )
    error = prediction - target
    mse, variance = float(np.mean(error**2)), float(np.var(target))
    gain = variance / mse if mse > 0 else float("inf")
    r2 = 1 - mse / variance if variance > 0 else float("nan")
    return {"mse": mse, "mae": float(np.mean(np.abs(error))), "r2": r2, "gain": gain}
