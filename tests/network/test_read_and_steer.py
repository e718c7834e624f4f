"""The example does something: it reads parameters, steers one, and draws what it says.

The same mathematics in small is tested in test_differentiable.py.
"""

from __future__ import annotations

import matplotlib.image
import pytest

from experiments.read_and_steer import figure, gray_scott, mycelium, run, table
from mfnjax.plotting import save_figure

pytestmark = pytest.mark.slow


def check(result) -> None:
    _, readings, steering = result
    assert all(reading.metrics["gain"] > 10 for reading in readings)
    assert steering.losses[0] > 1
    assert abs(steering.said - steering.wanted) < abs(steering.first - steering.wanted) / 20
    # The parameter itself is where the network was asked to read it, though nobody said so.
    assert abs(steering.reached - steering.wanted) < abs(steering.first - steering.wanted) / 4


def test_alpha_is_read_and_steered(tmp_path):
    result = run(mycelium(), number=300, epochs=150, iterations=60)
    check(result)
    assert "| v4.1 | alpha |" in table([result])
    path = save_figure(figure([result, result]), tmp_path / "figure.png")
    picture = matplotlib.image.imread(path)
    assert picture.shape[1] > 1500
    assert picture[..., :3].std() > 0.1


def test_feed_and_kill_are_read_and_steered():
    check(run(gray_scott(), number=300, epochs=400, iterations=60))
