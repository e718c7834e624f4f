"""The same rows on a ``dask.distributed`` cluster: one task a part, written by its worker.

A task that is lost with its worker is run again elsewhere by the scheduler; it writes the same
bytes. The workers must see the output's folder under the same path.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from mfnjax.dataset.engine import compute_parts
from mfnjax.dataset.plan import Plan
from mfnjax.dataset.store import Store
from mfnjax.errors import DataError, ParameterError

RETRIES = 3
"""How often a part that raised is tried again."""


def compute_on_cluster(
    client: Any,
    store: Store,
    parts: list[int],
    batch_size: int,
    counter: Callable[[int], None],
) -> None:
    """Have the workers of ``client`` make parts.

    Raises:
        ParameterError: ``client`` is no client of dask.distributed, or the extra is missing.
        DataError: A part could not be made, or its file is not seen from here.
    """
    try:
        from distributed import Client, as_completed
    except ImportError as error:
        raise ParameterError("a cluster needs the extra: pip install mfnjax[cluster]") from error
    if not isinstance(client, Client):
        raise ParameterError(f"client must be a distributed.Client, got {type(client).__name__}")
    plan, path = store.plan, str(store.path.resolve())
    # A key of this call alone: one that failed a moment ago may still be on its way out of the
    # scheduler, and a task of the same key would be lost with it.
    call = uuid.uuid4().hex[:12]
    futures = {
        client.submit(
            make_part,
            plan,
            path,
            part,
            batch_size,
            key=f"mfnjax-dataset-{plan.fingerprint[:12]}-{call}-{part}",
            retries=RETRIES,
        ): part
        for part in parts
    }
    try:
        for future in as_completed(futures):
            part = futures[future]
            first, stop = plan.rows(part)
            if future.status != "finished":
                said = " ".join(str(future.exception()).split())
                raise DataError(f"rows {first} to {stop - 1} could not be made: {said}")
            if not store.part_path(part).exists():
                raise DataError(
                    f"{store.part_path(part)}: written by a worker and not seen here; the workers "
                    "must share the output's folder"
                )
            counter(stop - first)
    finally:
        client.cancel(list(futures))


def make_part(plan: Plan, path: str, part: int, batch_size: int) -> int:
    """On a worker: make one part and write it; return its index."""
    store = Store(Path(path), plan)
    if not store.part_path(part).exists():
        (made,) = compute_parts(plan, [part], workers=1, batch_size=batch_size)
        store.write_part(made)
    return part
