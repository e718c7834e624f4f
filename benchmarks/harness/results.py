"""Results of a measurement, in memory and as JSON."""

from __future__ import annotations

import dataclasses
import datetime
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from benchmarks.harness.machine import machine
from benchmarks.harness.tables import read_format
from mfnjax._files import check_writable, write_text
from mfnjax.errors import DataError

FORMAT = "mfnjax-bench-1"


@final
@dataclass(frozen=True)
class Measurement:
    """One row.

    Attributes:
        key: The baseline that it is held to.
        label: What the table calls it.
        value: The result in the baseline's unit: the mean of the runs, as documented.
        unit: That unit.
        values: The results of the single processes.
        ratios: Fastest run over the calibration kernel's fastest, one a process; empty for what is
            no time.
        first: Time of the first call, compilation included, in s; None for what is no time.
        best: Fastest run, in s; None for what is no time.
    """

    key: str
    label: str
    value: float
    unit: str
    values: tuple[float, ...] = ()
    ratios: tuple[float, ...] = ()
    first: float | None = None
    best: float | None = None


@final
@dataclass(frozen=True)
class Results:
    """What one run of a benchmark gave, and where."""

    rows: tuple[Measurement, ...]
    machine: dict[str, str] = dataclasses.field(default_factory=machine)
    date: str = dataclasses.field(
        default_factory=lambda: datetime.datetime.now(datetime.UTC).date().isoformat()
    )

    def save(self, path: str | Path) -> Path:
        """Write the results as JSON, whole or not at all.

        Raises:
            DataError: The file cannot be written.
        """
        path = check_writable(path)
        write_text(path, json.dumps(self.to_dict(), indent=1, ensure_ascii=False) + "\n")
        return path

    def to_dict(self) -> dict[str, Any]:
        """As plain data for JSON."""
        return {"format": FORMAT, **dataclasses.asdict(self)}

    @classmethod
    def load(cls, path: str | Path) -> Results:
        """Read what `save` wrote.

        Raises:
            DataError: There is no such file, or it holds no results.
        """
        return cls.from_dict(read_format(path, FORMAT, "results of mfn bench"), str(path))

    @classmethod
    def from_dict(cls, data: dict[str, Any], where: str = "") -> Results:
        """What `to_dict` gave.

        Raises:
            DataError: Something is missing.
        """
        try:
            rows = tuple(
                Measurement(**row | {name: tuple(row[name]) for name in ("values", "ratios")})
                for row in data["rows"]
            )
            return cls(rows, dict(data["machine"]), str(data["date"]))
        except (TypeError, KeyError) as error:
            raise DataError(f"{where}: damaged results ({error})") from error


def merged(parts: list[Results]) -> Results:
    """Results of several processes as one: means of values, all ratios kept."""
    rows = []
    for same in zip(*(part.rows for part in parts), strict=True):
        values = [value for row in same for value in row.values or (row.value,)]
        rows.append(
            dataclasses.replace(
                same[0],
                value=sum(values) / len(values),
                values=tuple(values),
                ratios=tuple(ratio for row in same for ratio in row.ratios),
                first=same[0].first,
                best=min((row.best for row in same if row.best is not None), default=None),
            )
        )
    return dataclasses.replace(parts[0], rows=tuple(rows))
