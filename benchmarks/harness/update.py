"""Our own baselines: the ``[measured]`` part of ``benchmarks/baselines.toml``.

A baseline moves down when a result is better beyond the noise, and only then: a result within the
noise leaves it alone (else it would creep), a worse one is refused unless it is accepted by name.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Collection
from pathlib import Path

from benchmarks.harness.baselines import Baseline, find_baselines, load_baselines
from benchmarks.harness.compare import FLOOR, change_of
from benchmarks.harness.machine import fingerprint
from benchmarks.harness.results import Measurement, Results
from mfnjax._files import write_text
from mfnjax.errors import DataError, MfnError

MARK = "# Below this line the file is written by `mfn bench update`; do not edit it by hand.\n"
ERROR_RATE = 0.01
PREFIX = "measured."


class WorseError(MfnError):
    """A result is worse than our baseline; the message names the rows."""


def measured_key(key: str) -> str:
    """The name of our baseline for a documented row.

    Examples:
        >>> measured_key("documented.core.forward")
        'measured.core.forward'
    """
    return PREFIX + key.partition(".")[2]


def update_baselines(
    results: Results,
    *,
    path: Path | None = None,
    accept: Collection[str] = (),
    replace: bool = False,
) -> dict[str, list[str]]:
    """Write better rows into the file; the keys of rows that are added, better, kept, worse.

    Args:
        results: What was measured, in several processes.
        path: The file; None finds the checkout's.
        accept: Keys of rows that may get worse.
        replace: Take every row as it is: for a new reference machine.

    Raises:
        WorseError: A row is worse and not accepted; nothing is written.
        DataError: The file is damaged, the results come from one process, or from another machine.
    """
    path = find_baselines() if path is None else path
    rows = load_baselines(path)
    timed = [row for row in results.rows if row.ratios]
    if any(len(row.ratios) < 3 for row in timed):
        raise DataError("baselines need results of at least 3 processes (mfn bench run)")
    here = fingerprint(results.machine)
    groups: dict[str, list[str]] = {name: [] for name in ("added", "better", "kept", "worse")}
    for row in timed:
        old = rows.get(measured_key(row.key) + ".ratio")
        if old is not None and not replace and not old.source.startswith(here):
            raise DataError(
                f"{old.key} was measured on another machine ({old.source}; this is {here}); "
                "--replace makes this machine the reference"
            )
        groups[_direction(old, row, replace)].append(row.key)
    refused = [key for key in groups["worse"] if key not in accept]
    if refused:
        raise WorseError(
            f"worse than our baseline: {', '.join(refused)}; nothing was written "
            "(--accept KEY takes a worse row on purpose)"
        )
    moved = {*groups["added"], *groups["better"], *groups["worse"]}
    entries = {row.key: _entry(row, here, results.date) for row in timed if row.key in moved}
    if entries:
        _rewrite(path, {measured_key(key): entry for key, entry in entries.items()})
    return groups


def _direction(old: Baseline | None, row: Measurement, replace: bool) -> str:
    if old is None or replace:
        return "added"
    # The baseline stands for as many samples as the new result, of the same spread around it.
    middle = statistics.fmean(math.log(ratio) for ratio in row.ratios)
    spread = tuple(old.value * math.exp(math.log(ratio) - middle) for ratio in row.ratios)
    before = Measurement(row.key, row.label, old.value, old.unit, ratios=spread)
    verdict = change_of(before, row, ERROR_RATE).verdict
    return {"faster": "better", "slower": "worse"}.get(verdict, "kept")


def _entry(row: Measurement, here: str, date: str) -> str:
    """A row's table in TOML: the ratio, its noise, and what a person wants to see beside it."""
    middle = math.exp(statistics.fmean(math.log(ratio) for ratio in row.ratios))
    noise = max(max(row.ratios) / middle - 1, FLOOR)
    name = measured_key(row.key)
    return (
        f"[{name}]\n"
        f'source = "{here}; {date}"\n'
        f'ratio = {{ value = {middle:.4g}, unit = "× calibration", tolerance = {noise:.2g} }}\n'
        f'mean = {{ value = {row.value:.4g}, unit = "{row.unit}", bound = "none" }}\n'
    )


def _rewrite(path: Path, entries: dict[str, str]) -> None:
    """Put the new entries beside the old ones, below the mark."""
    text = path.read_text(encoding="utf-8")
    head, mark, tail = text.partition(MARK)
    if not mark:
        raise DataError(f"{path}: the line that ends the hand-written part is missing")
    kept = {part.partition("]")[0]: "[" + part.strip() + "\n" for part in tail.split("\n[")[1:]}
    kept |= entries
    write_text(path, head + mark + "".join("\n" + kept[name] for name in sorted(kept)))
