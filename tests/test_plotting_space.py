"""Pictures along a line and in space, of cells that are not square, and of masks."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image

from mfnjax import FisherKPPModel, Grid, Simulation
from mfnjax.errors import ParameterError
from mfnjax.plotting import (
    Quantity,
    plot_evolution,
    plot_field,
    plot_frames,
    plot_kymograph,
    plot_profile,
    plot_run,
    plot_slices,
    write_movie,
)

U = Quantity("u")
RNG = np.random.default_rng(0)
LINE = RNG.random((5, 12))
CUBE = RNG.random((3, 4, 6, 8))
STEPS = [10, 20, 30, 40, 50]


def test_a_profile_shows_every_field_at_its_places():
    mask = np.ones(12)
    mask[3] = 0
    fields = [(LINE[0], U), (LINE[1], Quantity("potential", "mV", 1e3))]
    upper, lower = plot_profile(fields, mask=mask, extent=[(1.0, 4.0)], title="t").axes
    np.testing.assert_allclose(upper.lines[0].get_xdata(), 1 + 0.25 * (np.arange(12) + 0.5))
    assert np.ma.getmaskarray(upper.lines[0].get_ydata(orig=True)).nonzero()[0].tolist() == [3]
    np.testing.assert_allclose(
        np.delete(lower.lines[0].get_ydata(), 3), 1e3 * np.delete(LINE[1], 3)
    )
    assert (lower.get_xlabel(), lower.get_ylabel()) == ("x", "potential (mV)")
    assert lower.get_xlim() == (1, 4)
    assert plot_profile([(LINE[:1].T[None], U)]).axes[0].get_xlabel() == "y (cells)"


def test_a_kymograph_has_places_across_and_steps_upwards():
    figure = plot_kymograph(LINE, [10, 20, 30, 50, 60], U, extent=[(0, 3)], title="t")
    axes, bar = figure.axes
    mesh = axes.collections[0]
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(5, 12), LINE)
    corners = mesh.get_coordinates()
    np.testing.assert_allclose(corners[:, 0, 1], [5, 15, 25, 40, 55, 65])
    np.testing.assert_allclose(corners[0, :, 0], np.linspace(0, 3, 13))
    assert (axes.get_xlabel(), axes.get_ylabel(), bar.get_ylabel()) == ("x", "step", "u")
    assert not axes.yaxis_inverted()
    assert plot_kymograph(LINE[:1], [7]).axes[0].get_ylim() == (6, 8)


@pytest.mark.parametrize("projection", ["max", "mean"])
def test_slices_are_the_middle_planes_and_a_projection(projection):
    field, phi = CUBE[0], RNG.random((4, 6, 8)).round(1)
    extent = ((0, 2), (0, 6), (0, 4))
    figure = plot_slices(field, U, mask=phi, extent=extent, projection=projection)
    planes = [axes.images[0] for axes in figure.axes[:4]]
    outside = np.ma.masked_array(field, phi == 0)
    along = {"max": outside.max(axis=0), "mean": np.ma.average(outside, axis=0, weights=phi)}
    expected = [outside[2], outside[:, :, 4].T, outside[:, 3], along[projection]]
    for plane, values in zip(planes, expected, strict=True):
        shown = plane.get_array()
        np.testing.assert_array_equal(shown.mask, np.ma.getmaskarray(values))
        np.testing.assert_allclose(shown.compressed(), values.compressed())
        assert plane.get_clim() == (outside.min(), outside.max())
    assert [tuple(plane.get_extent()) for plane in planes] == [
        *((0, 4, 6, 0), (0, 2, 6, 0), (0, 4, 2, 0), (0, 4, 6, 0))
    ]
    titles = ["z = 1.25", "x = 2.25", "y = 3.5"]
    assert [axes.get_title() for axes in figure.axes[:3]] == titles


def test_cells_that_are_not_square_keep_their_proportions():
    axes = plot_field(LINE, U, extent=((0, 1), (0, 24))).axes[0]
    assert tuple(axes.images[0].get_extent()) == (0, 24, 1, 0)
    assert axes.get_aspect() == 1
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("x", "y")


def test_what_takes_no_part_is_blank_and_does_not_count():
    field = np.full((4, 5), 2.0)
    field[1, 2] = 1e9
    mask = np.ones((4, 5))
    mask[1, 2], mask[0, 0] = 0, 0.5
    for figure in (plot_field(field, U, mask=mask), plot_frames(field[None], [1], U, mask=mask)):
        image = figure.axes[0].images[0]
        assert np.ma.getmaskarray(image.get_array()).sum() == 1
        assert image.get_clim()[1] < 3.0
        assert image.to_rgba(image.get_array())[1, 2, 3] == 0
    history = np.stack([field, 2 * field])
    history[:, 0, 0] = 0
    lines = {
        x.get_label(): x.get_ydata()
        for x in plot_evolution(history, [1, 2], U, mask=mask).axes[0].lines
    }
    np.testing.assert_allclose(lines["mean"], [2 * 18 / 18.5, 4 * 18 / 18.5])
    np.testing.assert_allclose(lines["maximum"], [2, 4])


@pytest.mark.parametrize(
    ("shape", "without", "with_frames"), [((12,), 2, 4), ((3, 4), 2, 3), ((3, 2, 4), 5, 6)]
)
def test_a_run_is_drawn_by_its_directions_of_space(shape, without, with_frames):
    frames = RNG.random((3, *shape))
    others = [(frames[0], Quantity("v"))]
    assert len(plot_run(frames[-1], U, others=others).axes) == without
    figure = plot_run(frames[-1], U, frames=frames, steps=[1, 2, 3], others=others, title="t")
    assert len(figure.axes) == with_frames
    thin = plot_run(frames[-1][None] if len(shape) < 3 else frames[-1], U, others=[])
    assert len(thin.axes) == without - (len(shape) == 1)


def pixels(path, frame):
    with Image.open(path) as movie:
        movie.seek(frame)
        return np.asarray(movie.convert("RGB")).astype(int)


def test_a_film_of_a_line_is_its_profile(tmp_path):
    steps = np.stack([np.repeat([0.0, 1.0], 4), np.repeat([1.0, 0.0], 4)])
    mask = np.ones(8)
    mask[2] = 0
    path = write_movie(
        tmp_path / "u.gif", steps, steps=[1, 2], quantity=U, mask=mask, size_pixels=80
    )
    curve = 255 * np.asarray(matplotlib.colormaps["magma"](80 / 239))[:3]
    for frame in (0, 1):
        is_curve = (np.abs(pixels(path, frame) - curve) < 3).all(axis=-1)[10:50, 10:90]
        top, bottom = is_curve[:3], is_curve[-4:-1]
        left, right = (top, bottom)[::-1] if frame == 0 else (top, bottom)
        assert left[:, :20].any(axis=0).all()
        assert right[:, 50:].any(axis=0).all()
        assert not is_curve[:, 20:30].any()


def test_a_film_of_space_is_three_planes(tmp_path):
    path = write_movie(
        tmp_path / "u.gif", CUBE, steps=[1, 2, 3], quantity=U, size_pixels=80,
        extent=((0, 8), (0, 6), (0, 8)),
    )  # fmt: skip
    low, high = np.percentile(CUBE, (0.5, 99.5))

    def colours(plane):
        share = np.round(np.clip((plane - low) / (high - low), 0, 1) * 239) / 239
        return 255 * matplotlib.colormaps["magma"](share)[..., :3]

    for index, cube in enumerate(CUBE):
        image = pixels(path, index)[10:, 10:]
        front, side = image[5:60:10, 5:80:10], image[5:60:10, 80 + 6 + 10 : 80 + 6 + 80 : 20]
        below = image[60 + 6 + 10 : 60 + 6 + 80 : 20, 5:80:10]
        np.testing.assert_allclose(front, colours(cube[2]), atol=1)
        np.testing.assert_allclose(side, colours(cube[:, :, 4].T), atol=1)
        np.testing.assert_allclose(below, colours(cube[:, 3]), atol=1)


@pytest.mark.parametrize(
    ("draw", "words"),
    [
        (lambda: plot_profile([]), "fields of one shape"),
        (lambda: plot_profile([(LINE, U)]), "one direction of space"),
        (lambda: plot_kymograph(CUBE, [1, 2, 3]), "one direction of space"),
        (lambda: plot_kymograph(LINE, [1, 2, 3]), "5 frames need as many steps, got 3"),
        (lambda: plot_kymograph(LINE, [1, 2, 3, 3, 4]), "must rise"),
        (lambda: plot_slices(LINE), r"\(D, H, W\)"),
        (lambda: plot_slices(CUBE[0], projection="sum"), "projection must be one of max, mean"),
        (lambda: plot_run(CUBE[None]), "one to three axes"),
        (lambda: plot_field(LINE, mask=np.ones(3)), "mask must have the field's shape"),
        (lambda: plot_field(LINE, extent=[(0, 1)]), "extent must be one"),
        (lambda: plot_field(LINE, extent=[(0, 1), (1, 0)]), "extent must be one"),
        (lambda: write_movie("x.gif", LINE[0], steps=STEPS), "needs a history"),
    ],
)
def test_what_is_no_picture_is_refused_by_name(draw, words):
    with pytest.raises(ParameterError, match=words):
        draw()


@pytest.fixture(scope="module")
def run():
    model = FisherKPPModel()
    return Simulation(model, Grid((1, 40), spacing=0.5), steps=20, save_every=5, dt=0.01).run(
        seed=1
    )


@pytest.mark.thorough
def test_a_run_along_a_line_shows_itself_as_profile_and_kymograph(run, tmp_path):
    profile, kymograph, _ = run.plot().axes
    assert profile.get_xlim() == (0, 20)
    assert (kymograph.get_xlabel(), kymograph.get_ylabel()) == ("x", "step")
    assert "data:image/png" in run._repr_html_()
    assert Image.open(run.movie(tmp_path / "u.gif")).n_frames == 4
    assert Image.open(run.movie(tmp_path / "u.gif", frames=2)).n_frames == 2
    import dataclasses

    with pytest.raises(ParameterError, match="a movie needs saved frames of u"):
        dataclasses.replace(run, history=None).movie(tmp_path / "u.gif")


def test_an_ensemble_is_a_table_without_a_picture(run):
    start = {"u": np.stack([run.state["u"]] * 2)}
    many = run.simulation.replace(save_every=None, save=None).ensemble(start)
    assert "<img" not in many._repr_html_()
    with pytest.raises(ParameterError, match="an ensemble has many fields"):
        many.plot()
