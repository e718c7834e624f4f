"""Reading a dataset: as a table, as a data frame, or as arrays ready for training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfnjax._checks import check_choice, check_int
from mfnjax.dataset.plan import plan_from_identity
from mfnjax.dataset.schema import columns_of, read_metadata
from mfnjax.errors import DataError, ParameterError

KINDS = ("arrow", "pandas", "arrays")
_SPLIT_STREAM = 2**63
"""Keeps the words of a split apart from those of any row's parameters."""


@final
@dataclass(frozen=True)
class Split:
    """Rows for one purpose: ids (n,), inputs (n, I) and targets (n, O)."""

    sim_id: np.ndarray
    inputs: np.ndarray
    targets: np.ndarray

    def __len__(self) -> int:
        return len(self.sim_id)


@final
@dataclass(frozen=True)
class TrainingArrays:
    """A dataset as arrays, split three ways, and the names of the columns."""

    train: Split
    validation: Split
    test: Split
    input_names: tuple[str, ...]
    target_names: tuple[str, ...]


def load_dataset(
    path: str | Path,
    kind: str = "arrow",
    *,
    columns: Sequence[str] | None = None,
    inputs: Sequence[str] | None = None,
    targets: Sequence[str] | None = None,
    split: tuple[float, float, float] = (0.8, 0.1, 0.1),
    seed: int = 0,
    dtype: Any = np.float32,
) -> Any:
    """Read a dataset.

    Args:
        path: The Parquet file.
        kind: ``arrow`` (a `pyarrow.Table`), ``pandas`` (a data frame, if pandas is installed) or
            ``arrays`` (`TrainingArrays`).
        columns: For a table or data frame: read these columns alone.
        inputs: For arrays: input columns; None takes grid size, steps and the parameters.
        targets: For arrays: target columns; None takes the features.
        split: For arrays: fractions of training, validation and test rows, summing to 1.
        seed: For arrays: seed of the split. The same seed and file give the same split, and rows
            stand in the order of their ids.
        dtype: For arrays: dtype of inputs and targets.

    Returns:
        What ``kind`` says.

    Raises:
        DataError: The file cannot be read, or is not such a dataset.
        ParameterError: A column or an option is not accepted.

    Examples:
        >>> import dataclasses, tempfile
        >>> from mfnjax import make_dataset_config_demo
        >>> from mfnjax.dataset import generate_dataset, load_dataset
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = f"{folder}/demo.parquet"
        ...     config = dataclasses.replace(make_dataset_config_demo(), output_path=path)
        ...     _ = generate_dataset(config)
        ...     arrays = load_dataset(path, "arrays", targets=["V_std"], split=(0.6, 0.2, 0.2))
        >>> arrays.train.inputs.shape, arrays.train.targets.shape, len(arrays.test)
        ((3, 6), (3, 1), 1)
    """
    check_choice("kind", kind, KINDS)
    plan = plan_from_identity(read_metadata(path)["plan"])
    known = tuple(column.name for column in columns_of(plan))
    if kind != "arrays":
        table = read_table(path, _known("columns", columns, known))
        return table if kind == "arrow" else _as_frame(table)
    input_names = _known("inputs", inputs, known) or plan.table.inputs
    target_names = _known("targets", targets, known) or plan.table.outputs
    table = read_table(path, ("sim_id", *dict.fromkeys((*input_names, *target_names))))
    ids = table["sim_id"].to_numpy()
    stacks = [_stack(table, names, dtype) for names in (input_names, target_names)]
    places = split_places(len(ids), split, seed)
    train, validation, test = (Split(ids[at], *(stack[at] for stack in stacks)) for at in places)
    return TrainingArrays(train, validation, test, input_names, target_names)


def read_table(path: str | Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a Parquet file as a table; every failure is a DataError."""
    try:
        # Not pq.read_table: it would look for a partitioned data set in the path's folders.
        with pq.ParquetFile(path) as file:
            return file.read(None if columns is None else list(columns))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pa.ArrowException) as error:
        text = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read ({text})") from error


def split_places(rows: int, split: Sequence[float], seed: int) -> list[np.ndarray]:
    """Sorted places of the training, validation and test rows."""
    fractions = np.asarray(split, np.float64)
    if fractions.shape != (3,) or (fractions < 0).any() or abs(fractions.sum() - 1) > 1e-9:
        raise ParameterError(
            f"split must be three fractions ≥ 0 that sum to 1 (train, validation, test), "
            f"got {split!r}"
        )
    check_int("seed", seed, 0, 2**32 - 1)
    key = np.array([_SPLIT_STREAM, seed], np.uint64)
    order = np.argsort(np.random.Philox(key=key).random_raw(rows), kind="stable")
    ends = np.rint(np.cumsum(fractions) * rows).astype(int)
    return [np.sort(piece) for piece in np.split(order, ends[:2])]


def _stack(table: pa.Table, names: Sequence[str], dtype: Any) -> np.ndarray:
    columns = [table[name].to_numpy().astype(dtype) for name in names]
    return np.stack(columns, axis=1)


def _known(
    option: str, names: Sequence[str] | None, known: tuple[str, ...]
) -> tuple[str, ...] | None:
    if names is None:
        return None
    if isinstance(names, str):
        raise ParameterError(f"{option} must be a list of column names, got {names!r}")
    for name in names:
        if name not in known:
            raise ParameterError(
                f"{option}: the dataset has no column {name!r}; columns: {', '.join(known)}"
            )
    return tuple(names)


def _as_frame(table: pa.Table) -> Any:
    try:
        import pandas  # noqa: F401
    except ImportError as error:
        raise ParameterError("kind 'pandas' needs pandas: pip install pandas") from error
    return table.to_pandas()
