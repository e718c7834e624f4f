"""``mfn features``: real images against stored reference data, and what is refused."""

from __future__ import annotations

import csv
import io
import json
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import ndimage

from mfnjax import (
    FeatureConfig,
    SimulationResult,
    compute_fractal_features,
    make_simulation_config_demo,
    run_mycelium_simulation_with_history,
)
from mfnjax.features import FEATURE_NAMES, MASK_FEATURES

SIZES = [2**power for power in range(12)]
SIZES_OPTION = ("--sizes", ",".join(map(str, SIZES)))


@pytest.fixture(scope="module")
def result() -> SimulationResult:
    return run_mycelium_simulation_with_history(make_simulation_config_demo())


@pytest.fixture
def blobs() -> np.ndarray:
    """A mask with several components, 40 × 52."""
    noise = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=(40, 52)), 2.0)
    return noise > 0


def one(mfn, *arguments: object) -> dict:
    return json.loads(mfn("features", *arguments, "--json").stdout)


@pytest.fixture(scope="module")
def colonies(mfn, shared_data) -> dict[str, dict]:
    """All six colony images, measured by one call."""
    files = sorted((shared_data / "yeast_colonies").glob("*.tif"))
    assert len(files) == 6
    text = mfn("features", "--invert", "--json", "--pad", *SIZES_OPTION, *files).stdout
    return {Path(row["file"]).stem: row for row in json.loads(text)}


@pytest.mark.thorough
def test_colonies_have_the_reference_area_components_and_box_counts(colonies, shared_data):
    reference = json.loads((shared_data / "yeast_colonies" / "reference.json").read_text())
    assert set(colonies) == set(reference)
    for name, expected in reference.items():
        row = colonies[name]
        assert row["shape"] == expected["shape"]
        assert (row["area"], row["n4"], row["n8"]) == tuple(
            expected[key] for key in ("area", "n4", "n8")
        )
        counts = dict(zip(row["box_sizes"], row["box_counts"], strict=True))
        assert counts == {int(size): count for size, count in expected["boxcount"].items()}


@pytest.mark.thorough
def test_dimension_of_a_colony_is_the_slope_over_the_given_sizes(colonies):
    for row in colonies.values():
        x, y = np.log(row["box_sizes"]), np.log(row["box_counts"])
        assert row["D_box"] == pytest.approx(-np.polyfit(x, y, 1)[0], rel=1e-9)
        assert row["f_active"] == pytest.approx(row["area"] / np.prod(row["shape"]), rel=1e-12)
        assert row["N_clusters_low"] == row["n4"]


@pytest.mark.thorough
def test_a_colony_takes_less_than_two_seconds_once_compiled(mfn, shared_data, colonies):
    file = shared_data / "yeast_colonies" / "awri796_50um_s1.tif"
    times = []
    for _ in range(2):
        started = time.perf_counter()
        one(mfn, "--invert", "--pad", *SIZES_OPTION, file)
        times.append(time.perf_counter() - started)
    assert min(times) < 2.0


@pytest.mark.thorough
def test_a_result_is_measured_as_the_library_does(mfn, tmp_path, result):
    row = one(mfn, result.save(tmp_path / "run.npz"))
    expected = compute_fractal_features(result).to_json_dict()
    assert {name: row[name] for name in FEATURE_NAMES} == expected
    assert row["kind"] == "history"
    assert row["dV_mean"] > 0


def test_options_of_the_configuration(mfn, tmp_path, result):
    path = result.save(tmp_path / "run.npz")
    file = tmp_path / "features.toml"
    FeatureConfig(threshold_low_mv=-70.5, num_scales=3, connectivity=8).to_file(file)
    row = one(mfn, path, "--config", file, "--threshold_low_mv", -70.0, "--min-box-size", 1)
    config = FeatureConfig(threshold_low_mv=-70.0, num_scales=3, connectivity=8, min_box_size=1)
    expected = compute_fractal_features(result, config).to_json_dict()
    assert {name: row[name] for name in FEATURE_NAMES} == expected
    mask = result.field > np.float32(-0.07)
    assert row["area"] == mask.sum() > 0
    assert row["n4"] == ndimage.label(mask)[1]
    assert row["n8"] == ndimage.label(mask, np.ones((3, 3)))[1]


def test_a_mask_has_null_for_what_it_has_not(mfn, tmp_path, blobs):
    np.save(tmp_path / "mask.npy", blobs)
    row = one(mfn, tmp_path / "mask.npy")
    assert {name for name in FEATURE_NAMES if row[name] is not None} == set(MASK_FEATURES)
    assert row["area"] == blobs.sum()


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".jpg"])
def test_threshold_and_polarity_of_images(mfn, tmp_path, blobs, suffix):
    path = tmp_path / f"image{suffix}"
    Image.fromarray(np.where(blobs, 250, 10).astype(np.uint8)).save(path, quality=100)
    assert one(mfn, path)["area"] == blobs.sum()
    assert one(mfn, path, "--invert")["area"] == blobs.size - blobs.sum()
    assert one(mfn, path, "--threshold", 5)["area"] > blobs.sum()
    assert one(mfn, path, "--threshold", 255)["area"] == 0


def test_padding_touches_box_counts_alone(mfn, tmp_path, blobs):
    np.save(tmp_path / "mask.npy", blobs)
    plain = one(mfn, tmp_path / "mask.npy", "--sizes", "1,8,64")
    padded = one(mfn, tmp_path / "mask.npy", "--sizes", "1,8,64", "--pad")
    canvas = np.zeros((64, 64), bool)
    canvas[:40, :52] = blobs
    eights = canvas.reshape(8, 8, 8, 8).any(axis=(1, 3)).sum()
    assert padded["box_counts"] == [blobs.sum(), eights, 1]
    assert plain["box_counts"][2] == 0
    assert {**padded, "box_counts": 0, "D_box": 0, "D_r2": 0} == {
        **plain,
        "box_counts": 0,
        "D_box": 0,
        "D_r2": 0,
    }


@pytest.mark.thorough
def test_a_saved_run_of_another_model(mfn, tmp_path):
    path = tmp_path / "run.npz"
    options = ("--model", "gray-scott", "--grid_size", 16, "--steps", 20, "--seed", 3)
    mfn("simulate", *options, "--history", "-o", path)
    with np.load(path) as file:
        u, v = file["u"], file["v"]
    assert one(mfn, path)["area"] == (v > (float(v.min()) + float(v.max())) / 2).sum()
    row = one(mfn, path, "--field", "u", "--threshold", 0.7, "--invert")
    assert row["area"] == (u.astype(float) <= 0.7).sum()


def test_float64_files_are_measured_in_float64(mfn, tmp_path):
    field = -0.07 + 1e-9 * np.random.default_rng(1).normal(size=(16, 16))
    np.save(tmp_path / "field.npy", field)
    assert one(mfn, tmp_path / "field.npy")["V_std"] == pytest.approx(1e3 * field.std(), rel=1e-6)


def test_arrays_of_an_npz(mfn, refused, tmp_path):
    field = np.full((8, 8), -0.05, np.float16)
    np.savez(tmp_path / "one.npz", anything=field)
    np.savez(tmp_path / "two.npz", a=field, b=field)
    assert one(mfn, tmp_path / "one.npz")["area"] == 64
    assert one(mfn, tmp_path / "two.npz", "--field", "b")["area"] == 64
    assert "a, b" in refused("features", tmp_path / "two.npz")
    assert "'c'" in refused("features", tmp_path / "two.npz", "--field", "c")


def test_a_threshold_makes_a_mask_of_the_last_frame(mfn, tmp_path):
    history = np.zeros((3, 8, 8), np.float32)
    history[-1, :2] = 1.0
    np.save(tmp_path / "h.npy", history)
    assert one(mfn, tmp_path / "h.npy", "--threshold", 0.5)["area"] == 16


def test_csv_and_files(mfn, tmp_path, blobs):
    paths = [tmp_path / "a.npy", tmp_path / "b.npy"]
    np.save(paths[0], blobs)
    np.save(paths[1], ~blobs)
    text = mfn("features", *paths, "--csv", "-o", tmp_path / "out.json").stdout
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["file"] for row in rows] == [str(path) for path in paths]
    assert [int(row["area"]) for row in rows] == [blobs.sum(), (~blobs).sum()]
    assert "V_mean" not in rows[0]  # nothing has it
    written = json.loads((tmp_path / "out.json").read_text())
    assert [row["area"] for row in written] == [int(row["area"]) for row in rows]
    counts = dict(zip(written[0]["box_sizes"], written[0]["box_counts"], strict=True))
    assert {size: int(rows[0][f"boxes_{size}"]) for size in counts} == counts
    assert (rows[0]["height"], rows[0]["width"]) == ("40", "52")
    mfn("features", *paths, "-o", tmp_path / "out.CSV")
    assert (tmp_path / "out.CSV").read_text() == text


def test_the_table_names_files_features_and_units(mfn, tmp_path, result):
    text = mfn("features", result.save(tmp_path / "run[red].npz")).stdout
    assert "run[red].npz" in text
    for word in (*FEATURE_NAMES, "mV/step", "area", "n4", "n8", "boxes of side 2"):
        assert word in text


def _write(path: Path, content: object) -> Path:
    if isinstance(content, np.ndarray):
        np.save(path, content)
    else:
        path.write_bytes(content)
    return path


def _nan_field() -> np.ndarray:
    field = np.full((8, 8), -0.07, np.float32)
    field[3, 4] = np.nan
    return field


@pytest.mark.parametrize(
    ("name", "content", "parts"),
    [
        ("number.npy", np.zeros((), np.float32), ("0-D", "()", "(H, W)")),
        ("five.npy", np.zeros((1, 2, 2, 2, 2), np.float32), ("5-D", "(T, H, W)")),
        ("line.npy", np.zeros(5, np.uint8), ("1-D", "(H, W)")),
        ("words.npy", np.array([["a"]]), ("numbers",)),
        ("nan.npy", _nan_field(), ("nan", "(3, 4)")),
        ("text.npz", b"hello\n", ("not an .npz",)),
        ("text.npy", b"hello\n", ("not a NumPy file",)),
        ("zip.npz", b"PK\x05\x06" + bytes(18), ("0 arrays",)),
        ("text.tif", b"hello\n", ("not a readable image",)),
        ("bad.tif", b"II*\0" + b"\xff" * 200, ("image",)),
        ("text.doc", b"hello\n", ("not a result, an image or a table of numbers",)),
    ],
)
def test_bad_files_are_one_line_that_names_the_file(refused, tmp_path, name, content, parts):
    path = _write(tmp_path / name, content)
    line = refused("features", path)
    for part in (name, *parts):
        assert part in line


def test_a_damaged_colony_is_refused_in_one_line(refused, shared_data, tmp_path, capfd):
    content = bytearray((shared_data / "yeast_colonies" / "awri796_50um_s1.tif").read_bytes())
    content[3000:3200] = b"\x93" * 200
    assert "damaged" in refused("features", _write(tmp_path / "bad.tif", bytes(content)))
    assert "damaged" in refused("features", _write(tmp_path / "cut.tif", bytes(content[:20_000])))
    assert capfd.readouterr().err == ""  # libtiff writes to the terminal by itself


def test_colour_is_refused_unless_a_channel_is_named(mfn, refused, tmp_path):
    pixels = np.zeros((8, 8, 3), np.uint8)
    pixels[:2, :, 0] = 255
    path = tmp_path / "colour.png"
    Image.fromarray(pixels).save(path)
    assert "colour image (RGB)" in refused("features", path)
    assert one(mfn, path, "--channel", "red")["area"] == 16
    assert "channel" in refused("features", path, "--channel", "pink")


def test_wrong_options(mfn, refused, tmp_path, blobs):
    path = _write(tmp_path / "field.npy", np.zeros((8, 8), np.float32))
    assert "--threshold" in refused("features", path, "--invert")
    assert "not both" in refused("features", path, "--json", "--csv")
    assert "no such file" in refused("features", tmp_path / "none.png")
    assert "is a folder" in refused("features", _folder(tmp_path / "folder.png"))
    assert "num_scales" in refused("features", path, "--num-scales", 1)
    assert "sizes" in refused("features", path, "--sizes", "2,2")
    assert "--field names an array of an .npz" in refused("features", path, "--field", "u")
    assert "--channel is for images" in refused("features", path, "--channel", "red")
    assert ".json or .csv" in refused("features", path, "-o", tmp_path / "out.txt")
    assert "whole numbers" in mfn("features", path, "--sizes", "a,b", status=2).stderr
    assert "FILE" in mfn("features", status=2).stderr


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_frames_that_are_steps_apart_are_not_measured_as_neighbours(mfn, refused, tmp_path):
    path = tmp_path / "run.npz"
    mfn("simulate", "--grid-size", 8, "--steps", 6, "--save-every", 3, "--history", "-o", path)
    assert "3 steps apart" in refused("features", path)


@pytest.mark.parametrize(
    ("shape", "ndim", "kind", "frame"),
    [
        ((6,), None, "field", [6]),
        ((5, 6), 1, "history", [6]),
        ((4, 5, 6), None, "history", [5, 6]),
        ((4, 5, 6), 3, "field", [4, 5, 6]),
    ],
)
def test_lines_and_cubes_say_their_axes(mfn, tmp_path, shape, ndim, kind, frame):
    np.save(tmp_path / "a.npy", np.random.default_rng(0).normal(-0.06, 0.01, shape))
    found = one(mfn, tmp_path / "a.npy", *([] if ndim is None else ["--ndim", ndim]))
    assert (found["kind"], found["shape"]) == (kind, frame)
