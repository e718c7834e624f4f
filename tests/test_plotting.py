"""Pictures hold the numbers that were drawn, in the units that they say."""

from __future__ import annotations

import base64
import io
import re
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from mfnjax import (
    SimulationResult,
    make_simulation_config_demo,
    run_mycelium_simulation_with_history,
)
from mfnjax.errors import DataError, ParameterError
from mfnjax.plotting import (
    Quantity,
    plot_box_counts,
    plot_evolution,
    plot_field,
    plot_frames,
    plot_mask,
    plot_result,
    save_figure,
    write_movie,
)

FIELD = np.linspace(-0.08, -0.06, 12).reshape(3, 4)
HISTORY = np.stack([FIELD + 0.001 * t for t in range(5)])


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    return run_mycelium_simulation_with_history(make_simulation_config_demo())


def test_a_field_is_drawn_in_millivolts_with_a_labelled_bar():
    axes, bar = plot_field(FIELD, title="t").axes
    np.testing.assert_allclose(axes.images[0].get_array(), 1e3 * FIELD)
    assert axes.images[0].get_cmap().name == "viridis"
    assert bar.get_ylabel() == "membrane potential (mV)"
    assert axes.get_title() == "t"


def test_other_fields_keep_their_numbers():
    axes, bar = plot_field(FIELD, Quantity("v")).axes
    np.testing.assert_allclose(axes.images[0].get_array(), FIELD)
    assert bar.get_ylabel() == "v"


def test_frames_share_one_scale_and_name_their_steps():
    figure = plot_frames(HISTORY, [10, 20, 30, 40, 5000], count=3, title="t")
    frames = [axes for axes in figure.axes if axes.images and axes.get_title()]
    assert [axes.get_title() for axes in frames] == ["step 10", "step 30", "step 5\u202f000"]
    assert len({axes.images[0].get_clim() for axes in frames}) == 1
    low, high = frames[0].images[0].get_clim()
    np.testing.assert_allclose((low, high), np.percentile(1e3 * HISTORY[::2], (0.5, 99.5)))
    assert len(plot_frames(HISTORY[:1], [1]).axes) == 2


def test_evolution_draws_mean_spread_and_extremes():
    axes = plot_evolution(HISTORY, range(1, 6), title="t").axes[0]
    lines = {line.get_label(): line.get_ydata() for line in axes.lines}
    values = 1e3 * HISTORY.reshape(5, -1)
    np.testing.assert_allclose(lines["mean"], values.mean(axis=1))
    np.testing.assert_allclose(lines["maximum"], values.max(axis=1))
    np.testing.assert_allclose(lines["minimum"], values.min(axis=1))
    band = axes.collections[0].get_paths()[0].vertices[:, 1]
    assert band.max() == pytest.approx((values.mean(axis=1) + values.std(axis=1)).max())


def test_a_result_is_drawn_with_its_history_where_there_is_one(result):
    assert len(plot_result(result).axes) == 3
    import dataclasses

    assert len(plot_result(dataclasses.replace(result, history=None)).axes) == 2


def test_box_counts_leave_out_empty_sizes_and_follow_the_slope():
    axes = plot_box_counts([1, 2, 4, 8], [64, 16, 4, 0], 2.0, title="t").axes[0]
    line, points = axes.lines
    assert points.get_xdata().tolist() == [1, 2, 4]
    np.testing.assert_allclose(line.get_ydata(), [64, 16, 4])
    assert "D = 2.000" in line.get_label()
    assert len(plot_box_counts([1], [5], 0.0).axes[0].lines) == 1


def test_a_mask_is_dark_on_white():
    image = plot_mask(FIELD > -0.07, title="t").axes[0].images[0]
    colours = image.to_rgba(np.array([[0.0, 1.0]]))[0, :, :3]
    np.testing.assert_allclose(colours[0], 1.0)
    assert colours[1].max() < 0.3


@pytest.mark.parametrize(
    "draw",
    [
        lambda: plot_field(np.zeros(3)),
        lambda: plot_mask(np.zeros((2, 2, 2), bool)),
        lambda: plot_frames(FIELD, [1]),
        lambda: plot_frames(HISTORY, [1]),
        lambda: plot_evolution(HISTORY, [1]),
        lambda: write_movie("x.gif", FIELD, steps=[1]),
        lambda: write_movie("x.gif", HISTORY, steps=[1]),
    ],
)
def test_what_is_no_picture(draw):
    with pytest.raises(ParameterError):
        draw()


def test_drawing_leaves_the_users_settings_alone(tmp_path):
    before = dict(matplotlib.rcParams)
    save_figure(plot_field(FIELD), tmp_path / "field.png")
    assert dict(matplotlib.rcParams) == before


def test_saving_replaces_whole_files(tmp_path):
    path = tmp_path / "new" / "field.png"
    assert save_figure(plot_field(FIELD), path, dpi=100) == path
    assert Image.open(path).size == (480, 400)
    with pytest.raises(DataError, match="is a folder"):
        save_figure(plot_field(FIELD), tmp_path)
    with pytest.raises(DataError, match=r"field.docx: a picture's name ends in .*\.png"):
        save_figure(plot_field(FIELD), path.with_suffix(".docx"))
    assert [p.name for p in path.parent.iterdir()] == ["field.png"]


def test_a_gif_shows_every_frame_in_the_colours_of_the_map(tmp_path):
    quantity = Quantity("w", colour_map="magma")
    path = write_movie(tmp_path / "w.gif", HISTORY, steps=range(1, 6), quantity=quantity)
    low, high = np.percentile(HISTORY, (0.5, 99.5))
    with Image.open(path) as movie:
        assert movie.n_frames == 5
        for index, frame in enumerate(HISTORY):
            movie.seek(index)
            pixels = np.asarray(movie.convert("RGB"))
            zoom = 384 // 4
            centres = pixels[10 + zoom // 2 :: zoom, 10 + zoom // 2 :: zoom][:3, :4]
            shade = np.round(np.clip((frame - low) / (high - low), 0, 1) * 239) / 239
            expected = 255 * matplotlib.colormaps["magma"](shade)[..., :3]
            np.testing.assert_allclose(centres, expected, atol=1.0)


def test_a_constant_history_can_be_filmed(tmp_path):
    path = write_movie(tmp_path / "c.gif", np.full((2, 4, 4), -0.07), steps=[1, 2])
    assert Image.open(path).size[0] > 384


@pytest.mark.thorough
def test_an_mp4_holds_every_frame(tmp_path):
    ffmpeg = pytest.importorskip("imageio_ffmpeg")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        path = write_movie(tmp_path / "w.mp4", HISTORY, steps=range(1, 6))
    assert ffmpeg.count_frames_and_secs(str(path))[0] == 5


def test_other_films_are_refused(tmp_path):
    with pytest.raises(DataError, match=r"\.gif or \.mp4"):
        write_movie(tmp_path / "w.avi", HISTORY, steps=range(5))


@pytest.mark.thorough
def test_a_notebook_shows_picture_and_facts(result):
    html = result._repr_html_()
    assert html == result._repr_html_()
    picture = base64.b64decode(re.search(r"base64,([^\"]+)", html)[1])
    assert Image.open(io.BytesIO(picture)).size[0] > 400
    text = re.sub(r"<[^>]+>", " ", html)
    for fact in ("32 × 32, periodic", "seed 42", "growth events"):
        assert fact.replace("seed ", "") in text
    assert re.search(rf"growth events\s+{result.growth_events}\b", text)
    assert 'src="http' not in html
