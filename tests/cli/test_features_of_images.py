"""``mfn features`` of what people hand over: masks, cameras, stacks, folders, millivolts."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as parquet
import pytest
import tifffile
from PIL import Image

from mfnjax.features import compute_features
from mfnjax.fractal import fractal_dimension
from mfnjax.images import open_image, read_image

Y, X = np.mgrid[:40, :56]
OBJECT = (Y - 20) ** 2 + (X - 28) ** 2 < 144
AREA = 437


def two(low: float, high: float, dtype: str) -> np.ndarray:
    return np.where(OBJECT, high, low).astype(dtype)


def white(name: str, levels: np.ndarray, folder: Path) -> Path:
    """A TIFF that says that 0 is white."""
    tifffile.imwrite(folder / name, levels, photometric="miniswhite")
    return folder / name


@pytest.fixture
def pictures(tmp_path: Path) -> dict[str, Path]:
    """The same object, as public cases have it; its area is 437 in all."""
    found = {name: tmp_path / name for name in ("lab01.png", "camera.png", "sbit.png")}
    Image.fromarray(two(0, 1, "u1")).save(found["lab01.png"])
    Image.fromarray(two(300, 1800, "u2")).save(found["camera.png"])
    Image.fromarray(OBJECT).save(found["sbit.png"])
    formats = {"u4": (1e9, 3e9), "i1": (-100, 100), "f4": (20, 200), "f8": (0.1, 0.8)}
    formats |= {"f2": (0.1, 0.8), "i2": (-300, 2000), "i4": (-5, 9), "u8": (1, 2**40)}
    for dtype, (low, high) in formats.items():
        found[dtype] = tmp_path / f"{dtype}.tif"
        tifffile.imwrite(found[dtype], two(low, high, dtype), photometric="minisblack")
    found["deep"] = tmp_path / "deep.tif"
    tifffile.imwrite(found["deep"], np.stack([two(300, 1800, "u2")] * 3, 2), photometric="rgb")
    found["white8"] = white("white8.tif", 255 - two(30, 220, "u1"), tmp_path)
    found["white16"] = white("white16.tif", 65535 - two(8000, 56000, "u2"), tmp_path)
    return found


@pytest.mark.thorough
def test_every_picture_of_the_object_measures_the_object(mfn, pictures) -> None:
    for path in pictures.values():
        result = mfn("features", path, "--json", "--sizes", "1,2,4")
        assert json.loads(result.stdout)["area"] == AREA, path
        assert result.stderr.startswith(f"{path}: 19.51% of the cells are above ")
        assert "levels are" in result.stderr
    at = json.loads(mfn("features", pictures["deep"], "--json", "--threshold", 1000).stdout)
    assert at["area"] == AREA
    half = mfn("features", pictures["camera.png"], "--threshold", "half").stderr
    assert "warning: no cell is above 32767.5" in half
    assert "otsu" in mfn("features", pictures["f4"], "--threshold", "best", status=2).stderr
    inverted = mfn("features", pictures["lab01.png"], "--invert", "--csv")
    assert "80.49% of the cells are at or below 0.5 (a mask of 0 and 1)" in inverted.stderr


def test_planes_of_a_stack_are_named(mfn, refused, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 4000, (3, 2, 40, 56), np.uint16)
    path = tmp_path / "stack.tif"
    about = {"axes": "TCYX", "unit": "um", "finterval": 2.5}
    tifffile.imwrite(path, levels, imagej=True, resolution=(4.0, 4.0), metadata=about)
    assert "2 channels; say which with --channel 0 to 1" in refused("features", path)
    assert "3 pages (T 3)" in refused("features", path, "--channel", 1)
    assert "no page 3" in refused("features", path, "--channel", 1, "--page", 3)
    fit = ("fit", "--model", "gray-scott", "--image", path, "--channel", 0)
    assert "say which with --page 0 to 2" in refused(*fit)
    assert "no page 7" in refused(*fit, "--page", 7)
    options = ("--channel", 1, "--page", 2, "--threshold", 2000, "--json")
    result = mfn("features", path, *options)
    row = json.loads(result.stdout)
    assert row["area"] == (levels[2, 1] > 2000).sum()
    assert (row["pixel_height"], row["pixel_unit"]) == (0.25, "µm")
    assert "a pixel is 0.25 µm, a frame 2.5 s" in result.stderr
    whole = open_image(path)
    assert (whole.axes, whole.pixel_size, whole.frame_interval) == ("TCYX", (0.25, 0.25), 2.5)
    np.testing.assert_array_equal(whole.values, levels)
    np.testing.assert_array_equal(open_image(path, page=1).values, levels[1])
    np.testing.assert_array_equal(open_image(path, channel=0).values, levels[:, 0])


def test_ome_series_and_multi_page_files(refused, tmp_path: Path) -> None:
    levels = np.random.default_rng(0).integers(0, 4000, (2, 3, 4, 20, 30), np.uint16)
    path = tmp_path / "a.ome.tif"
    sizes = {"PhysicalSizeX": 0.1, "PhysicalSizeY": 0.2, "TimeIncrement": 3.0}
    with tifffile.TiffWriter(path, ome=True) as file:
        units = {"PhysicalSizeXUnit": "µm", "PhysicalSizeYUnit": "µm", "TimeIncrementUnit": "s"}
        file.write(levels, metadata={"axes": "TCZYX", **sizes, **units}, compression="zlib")
        file.write(levels[0, 0, 0], metadata={"axes": "YX"})
    assert "2 series" in refused("features", path)
    found = open_image(path, series=0)
    assert (found.axes, found.pixel_size, found.unit) == ("TCZYX", (0.2, 0.1), "µm")
    assert found.frame_interval == 3.0
    np.testing.assert_array_equal(found.values, levels)
    np.testing.assert_array_equal(read_image(path, series=0, channel=2, page=5), levels[1, 2, 1])
    np.testing.assert_array_equal(read_image(path, series=1), levels[0, 0, 0])
    pages = [Image.fromarray(page) for page in levels[0, 0]]
    pages[0].save(
        tmp_path / "p.tif", save_all=True, append_images=pages[1:], compression="tiff_lzw"
    )
    np.testing.assert_array_equal(read_image(tmp_path / "p.tif", page=3), levels[0, 0, 3])
    assert open_image(tmp_path / "p.tif").axes == "IYX"


def test_a_folder_is_one_table(mfn, refused, tmp_path: Path, pictures) -> None:
    (tmp_path / "notes.txt").write_text("no image")
    (tmp_path / "bad.png").write_bytes(b"hello")
    table = tmp_path / "table.csv"
    result = mfn("features", tmp_path, "--sizes", "1,2", "-o", table, status=1)
    assert "bad.png: damaged or unsupported image" in result.stderr
    assert (
        result.stderr.splitlines()[-1]
        == f"Error: 1 of {len(pictures) + 1} files could not be measured"
    )
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [row["file"] for row in rows] == sorted(map(str, pictures.values()))
    assert {row["area"] for row in rows} == {str(AREA)}
    assert all(row[name] for row in rows for name in ("D_box", "D_fit", "D_low", "threshold"))
    assert "V_mean" not in rows[0]
    assert "--overwrite" in refused("features", pictures["f4"], "-o", table)
    mfn("features", pictures["f4"], "-o", table, "--overwrite")
    mfn("features", pictures["f4"], pictures["f8"], "-o", tmp_path / "t.parquet")
    found = parquet.read_table(tmp_path / "t.parquet").to_pydict()
    assert found["area"] == [AREA] * 2
    assert found["boxes_2"] == [int(row["boxes_2"]) for row in rows[:2]]


def test_an_image_of_labels_has_a_row_an_object(mfn, tmp_path: Path) -> None:
    labels = np.zeros((40, 56), np.int32)
    labels[2:12, 3:13], labels[20:30, 5:15], labels[8:30, 30:40] = 1, 2, 5
    tifffile.imwrite(tmp_path / "labels.tif", labels)
    result = mfn("features", tmp_path / "labels.tif", "--json")
    row = json.loads(result.stdout)
    assert row["area"] == 420
    assert [(one["object"], one["area"]) for one in row["objects"]] == [
        (1, 100),
        (2, 100),
        (5, 220),
    ]
    assert "numbers of objects" in result.stderr
    mfn("features", tmp_path / "labels.tif", "-o", tmp_path / "t.csv")
    rows = list(csv.DictReader((tmp_path / "t.csv").open()))
    assert [(row["object"], row["area"]) for row in rows] == [
        ("1", "100"),
        ("2", "100"),
        ("5", "220"),
    ]


@pytest.mark.thorough
@pytest.mark.parametrize("shape", [(100, 100), (40, 56)])
def test_a_full_picture_has_dimension_2(mfn, tmp_path: Path, shape: tuple[int, int]) -> None:
    Image.fromarray(np.full(shape, 255, np.uint8)).save(tmp_path / "full.png")
    result = mfn("features", tmp_path / "full.png", "--json", "--plot", tmp_path / "fit.png")
    row = json.loads(result.stdout)
    assert row["D_low"] <= row["D_fit"] <= 2.0 == row["D_high"]
    assert row["D_fit"] == fractal_dimension(np.ones(shape, bool)).dimension > 1.9
    assert "warning: every cell is above 127.5" in result.stderr
    assert Image.open(tmp_path / "fit.png").size[0] > 300
    assert "D_fit" in mfn("features", tmp_path / "full.png").stdout


def test_millivolts_are_refused_where_volts_are_meant(mfn, refused, tmp_path: Path) -> None:
    volts = np.random.default_rng(0).normal(-0.06, 0.01, (16, 16))
    np.save(tmp_path / "v.npy", volts)
    for name, array in (("mv.npy", volts * 1000), ("int.npy", np.rint(volts * 1000).astype(int))):
        np.save(tmp_path / name, array)
    line = refused("features", tmp_path / "mv.npy")
    assert "mv.npy: potentials must lie within ±200 mV" in line
    assert "--unit mV" in line
    expected = compute_features(volts.astype(np.float32))
    row = json.loads(mfn("features", tmp_path / "mv.npy", "--unit", "mV", "--json").stdout)
    assert row["V_mean"] == pytest.approx(expected.V_mean, rel=1e-5)
    whole = json.loads(mfn("features", tmp_path / "int.npy", "--unit", "mV", "--json").stdout)
    assert whole["V_mean"] == pytest.approx(expected.V_mean, abs=0.3)
    assert "--unit is for arrays" in refused("features", _png(tmp_path), "--unit", "mV")


def _png(folder: Path) -> Path:
    Image.fromarray(two(0, 255, "u1")).save(folder / "a.png")
    return folder / "a.png"


@pytest.mark.thorough
def test_the_six_colonies_by_one_command(mfn, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "yeast_colonies"
    result = mfn("features", folder, "--invert", "-o", tmp_path / "t.csv", "--sizes", "4,16,64,256")
    rows = {Path(row["file"]).stem: row for row in csv.DictReader((tmp_path / "t.csv").open())}
    reference = json.loads((folder / "reference.json").read_text())
    assert set(rows) == set(reference)
    assert len(result.stderr.splitlines()) == 6
    for name, expected in reference.items():
        assert int(rows[name]["area"]) == expected["area"]
        assert float(rows[name]["D_low"]) < 2.0
    assert "at or below 127.5 (half the range of uint8); the levels are 0 … 255" in result.stderr
