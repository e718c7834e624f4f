"""A fit that is interrupted and resumed is the fit that was not; another's file is refused."""

from __future__ import annotations

import jax
import numpy as np
import optax
import pytest

from mfnjax import FisherKPPModel, fit
from mfnjax.errors import DataError
from mfnjax.fitting import lanes, pointwise
from tests.fitting.conftest import RATES, START, observed


class Interrupt:
    """Ctrl-C after so many reports."""

    def __init__(self, after: int) -> None:
        self.left = after

    def __call__(self, done: int, total: int) -> None:
        self.left -= 1
        if self.left == 0:
            raise KeyboardInterrupt


@pytest.mark.parametrize("optimizer", [None, optax.adam(0.02)], ids=["lm", "adam"])
@pytest.mark.thorough
def test_resumed_equals_uninterrupted_bit_for_bit(noisy, tmp_path, monkeypatch, optimizer) -> None:
    monkeypatch.setattr(lanes, "CHUNK_SECONDS", 1e9)  # chunks double: 1, 2, 4, …
    settings = {
        "free": RATES,
        "optimizer": optimizer,
        "starts": 3,
        "max_steps": 40,
        "key": jax.random.key(5),
    }
    whole = fit(START, noisy, **settings)
    programs = lanes._chunk._cache_size()
    monkeypatch.setattr(lanes, "CHUNK_SECONDS", 0.0)  # chunks of one iteration
    path = tmp_path / "fit.npz"
    resumed = None
    for attempt in range(4):
        try:
            resumed = fit(
                START,
                noisy,
                checkpoint=path,
                resume=attempt > 0,
                progress=Interrupt(3 if attempt < 3 else 10**6),
                **settings,
            )
        except KeyboardInterrupt:
            assert path.exists()
    assert resumed is not None
    np.testing.assert_array_equal(resumed.free, whole.free)
    np.testing.assert_array_equal(resumed.history, whole.history)
    assert resumed.starts == whole.starts
    assert lanes._chunk._cache_size() == programs  # one program: it cannot round in two ways
    again = fit(START, noisy, checkpoint=path, resume=True, **settings)
    assert again.starts == whole.starts


@pytest.mark.thorough
def test_more_iterations_go_on_from_where_it_stalled(noisy, tmp_path) -> None:
    path = tmp_path / "fit.npz"
    short = fit(START, noisy, free=RATES, max_steps=3, checkpoint=path)
    assert short.status == "stalled"
    longer = fit(START, noisy, free=RATES, checkpoint=path, resume=True)
    assert longer.status == "converged"
    np.testing.assert_array_equal(longer.history[0, :3], short.history[0])


def test_checkpoints_that_are_refused(front, noisy, tmp_path) -> None:
    path = tmp_path / "fit.npz"
    with pytest.raises(DataError, match="no checkpoint to resume from"):
        fit(START, noisy, free=RATES, checkpoint=path, resume=True)
    fit(START, noisy, free=RATES, max_steps=2, checkpoint=path)
    others = [
        {"objective": observed(front, 0.05, seed=1, sigma=0.05)},
        {"model": FisherKPPModel(0.25, 0.21)},
        {"free": ["diffusivity"]},
        {"bounds": {"D": (0, 9)}},
        {"optimizer": optax.adam(0.1)},
        {"tolerance": 1e-3},
    ]
    for other in others:
        given = {"model": START, "objective": noisy, "free": RATES, **other}
        with pytest.raises(DataError, match="checkpoint is of another fit"):
            fit(given.pop("model"), given.pop("objective"), checkpoint=path, resume=True, **given)
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match="not a checkpoint of a fit"):
        fit(START, noisy, free=RATES, checkpoint=path, resume=True)
    with pytest.raises(DataError, match="folder"):
        fit(START, noisy, free=RATES, checkpoint=tmp_path)


def test_a_fingerprint_sees_every_bit(front, noisy) -> None:
    from mfnjax.fitting.checkpoint import fingerprint

    nudged = front.seen.copy()
    nudged[0, 0, 0] = np.nextafter(nudged[0, 0, 0], 2.0)
    keyed = [
        pointwise(
            {"u": front.seen},
            start={"u": front.start},
            grid=front.grid,
            steps=(20, 40, 60),
            key=jax.random.key(seed),
        )
        for seed in (0, 1)
    ]
    marks = [fingerprint(o) for o in (observed(front), observed(front._replace(seen=nudged)))]
    marks += [fingerprint(o) for o in keyed]
    assert len(set(marks)) == 4
    assert fingerprint(keyed[0]) == marks[2]
