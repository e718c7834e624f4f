"""What is on disk while a dataset is made, and how it becomes one file.

Beside ``NAME.parquet`` a folder ``NAME.parquet.partial`` holds a file a part, each written whole or
not at all. When the last part is there they are copied into one Parquet file under a temporary
name, which is renamed. A run that is killed leaves the folder; a run that resumes makes the parts
that are missing.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from mfnjax._files import check_writable, replacing, write_text
from mfnjax.dataset.engine import Failure, Part
from mfnjax.dataset.fields import assemble_fields
from mfnjax.dataset.plan import Plan, differences
from mfnjax.dataset.schema import (
    METADATA_KEY,
    ContentHash,
    file_metadata,
    read_metadata,
    schema_of,
)
from mfnjax.errors import DataError

GROUP_ROWS = 8192
"""Rows of a row group of the finished file."""

_FAILURES_KEY = b"mfnjax.failures"

_PARQUET: dict[str, Any] = {
    "compression": "zstd",
    # Real numbers do not repeat: dictionaries of them cost time and space.
    "use_dictionary": ["mfn_version", "timestamp"],
}


def fields_path(path: Path) -> Path:
    """Where the fields of the dataset at ``path`` are."""
    return path.with_suffix(".zarr")


@final
class Store:
    """The file of a dataset and the folder of its parts."""

    def __init__(self, path: str | Path, plan: Plan) -> None:
        self.path = Path(path)
        self.plan = plan
        self.folder = self.path.with_name(self.path.name + ".partial")

    def prepare(self, *, resume: bool, overwrite: bool) -> bool:
        """Look at what is there; return True if the dataset is complete already.

        Raises:
            DataError: Something is there and neither ``resume`` nor ``overwrite`` is given, or
                it is of another sweep, or nothing can be written.
        """
        if self.path.suffix != ".parquet":
            raise DataError(f"{self.path}: a dataset's name ends in .parquet")
        if self.path.is_file() and resume and not overwrite:
            self._check_same(read_metadata(self.path)["plan"], self.path)
            return True
        check_writable(self.path)
        if self.path.exists() and not overwrite:
            raise DataError(
                f"{self.path}: exists already; pass overwrite (--overwrite) to replace it"
            )
        fields = fields_path(self.path)
        if self.plan.save_fields and fields.exists() and not (overwrite or resume):
            raise DataError(f"{fields}: exists already; pass overwrite (--overwrite) to replace it")
        if self.folder.exists():
            if resume and not overwrite:
                self._check_same(self._read_identity(), self.folder)
            elif not overwrite:
                raise DataError(
                    f"{self.folder}: holds an unfinished run; pass resume (--resume) to finish it "
                    "or overwrite (--overwrite) to start again"
                )
        return False

    def _read_identity(self) -> dict[str, Any]:
        try:
            return json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        except FileNotFoundError:
            # Killed between making the folder and its first file: no part can be there.
            return self.plan.identity
        except (OSError, ValueError) as error:
            raise DataError(f"{self.folder}: run.json cannot be read ({error})") from error

    def _check_same(self, old: dict[str, Any], where: Path) -> None:
        said = differences(old, json.loads(json.dumps(self.plan.identity)))
        if said:
            raise DataError(f"{where}: made with another configuration, cannot resume: {said}")

    @contextmanager
    def opened(self, *, fresh: bool) -> Iterator[None]:
        """Own the folder; ``fresh`` empties it first.

        Raises:
            DataError: Another process owns it, or it cannot be written.
        """
        try:
            self.folder.mkdir(exist_ok=True)
            with (self.folder / "lock").open("w") as lock:
                _lock(lock, self.folder)
                if fresh:
                    for stale in [*self.folder.glob("part-*"), *self.folder.glob("run.json")]:
                        stale.unlink()
                write_text(self.folder / "run.json", json.dumps(self.plan.identity, indent=1))
                yield
        except OSError as error:
            said = error.strerror or error
            raise DataError(f"{self.folder}: cannot be written ({said})") from error

    def part_path(self, part: int) -> Path:
        """The file of a part."""
        return self.folder / f"part-{part:06d}.parquet"

    def missing(self) -> list[int]:
        """Parts that are not there, in order."""
        return [part for part in range(self.plan.num_parts) if not self.part_path(part).exists()]

    def write_part(self, part: Part) -> None:
        """Write a part, its fields first: a part that is there is whole."""
        path = self.part_path(part.index)
        if part.fields:
            arrays: dict[str, Any] = {}
            for size, (ids, fields) in part.fields.items():
                arrays[f"ids_{size}"], arrays[f"fields_{size}"] = ids, fields
            with replacing(path.with_suffix(".npz")) as beside, beside.open("wb") as file:
                np.savez(file, **arrays)
        failures = json.dumps([failure.to_dict() for failure in part.failures]).encode()
        table = part.table.replace_schema_metadata({_FAILURES_KEY: failures})
        with replacing(path) as beside:
            pq.write_table(table, beside, **_PARQUET)

    def read_failures(self, part: int) -> list[Failure]:
        """Failures of a part that is there."""
        found = pq.read_schema(self.part_path(part)).metadata[_FAILURES_KEY]
        return [Failure(**values) for values in json.loads(found)]

    def rows_of(self, part: int) -> int:
        """Rows in the file of a part."""
        return int(pq.read_metadata(self.part_path(part)).num_rows)

    def _tables(self) -> Iterator[pa.Table]:
        for part in range(self.plan.num_parts):
            yield pq.read_table(self.part_path(part)).replace_schema_metadata(None)

    def assemble(self) -> tuple[int, list[Failure]]:
        """Make the file from its parts; return its rows and the failures."""
        failures = [f for part in range(self.plan.num_parts) for f in self.read_failures(part)]
        if self.plan.save_fields:
            parts = [self.part_path(p).with_suffix(".npz") for p in range(self.plan.num_parts)]
            assemble_fields(fields_path(self.path), parts, self.plan)
        # Inside the folder, so that a kill leaves no stray file beside the dataset.
        whole = self.folder / "whole.parquet"
        rows = write_dataset(whole, self.plan, self._tables, failures)
        os.replace(whole, self.path)
        # A network file system may keep the lock file for a while; the dataset is complete.
        shutil.rmtree(self.folder, ignore_errors=True)
        return rows, failures


def write_dataset(
    path: Path, plan: Plan, tables: Callable[[], Iterator[pa.Table]], failures: list[Failure]
) -> int:
    """Write tables as one dataset, whole or not at all; return its rows.

    ``tables`` is called twice: the metadata, which holds the hash, comes before the rows.
    """
    schema = schema_of(plan)
    content, rows = ContentHash(schema), 0
    for table in tables():
        content.update(table)
        rows += table.num_rows
    said = file_metadata(plan, failures, content.hexdigest(), rows)
    schema = schema.with_metadata({METADATA_KEY: said})
    with (
        replacing(path) as beside,
        pq.ParquetWriter(beside, schema, **_PARQUET) as writer,
    ):
        for group in _regrouped(tables()):
            group = group.replace_schema_metadata(schema.metadata)
            writer.write_table(group, row_group_size=GROUP_ROWS)
    return rows


def _regrouped(tables: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """The same rows in tables of `GROUP_ROWS`."""
    held: list[pa.Table] = []
    for table in tables:
        held.append(table)
        while sum(t.num_rows for t in held) >= GROUP_ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, GROUP_ROWS)
            held = [whole.slice(GROUP_ROWS)]
    rest = pa.concat_tables(held)
    if rest.num_rows:
        yield rest


def _lock(file: Any, folder: Path) -> None:
    """Lock a file for as long as it is open; the system lets go if the process dies."""
    if os.name != "posix":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise DataError(f"{folder}: another process is making this dataset") from None
