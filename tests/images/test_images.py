"""Images to grey levels, grey levels to masks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from mfnjax.errors import DataError, ParameterError
from mfnjax.images import half_range, mask_from_levels, pad_to_power_of_two, read_image

LEVELS = np.random.default_rng(0).integers(0, 256, (9, 13), dtype=np.uint8)


DEPTHS = {
    "uint8": LEVELS,
    "uint16": LEVELS.astype(np.uint16) * np.uint16(257),
    "bool": LEVELS > 100,
    "float32": LEVELS.astype(np.float32) / 7,
}


@pytest.mark.parametrize(
    ("suffix", "dtype"),
    [("png", "uint8"), ("png", "uint16"), ("png", "bool"), *(("tif", name) for name in DEPTHS)],
)
def test_levels_survive_a_file_of_every_depth(tmp_path, suffix, dtype):
    levels = DEPTHS[dtype]
    path = tmp_path / f"image.{suffix}"
    Image.fromarray(levels).save(path)
    read = read_image(path)
    assert read.dtype == levels.dtype
    np.testing.assert_array_equal(read, levels)


def test_a_colour_image_of_equal_channels_is_grey(tmp_path):
    path = tmp_path / "grey.png"
    Image.fromarray(np.repeat(LEVELS[..., None], 3, axis=2)).save(path)
    np.testing.assert_array_equal(read_image(path), LEVELS)


def test_a_palette_image_is_read_by_its_colours(tmp_path):
    path = tmp_path / "palette.png"
    image = Image.fromarray((LEVELS > 100).astype(np.uint8))
    image.putpalette([200, 200, 200, 10, 10, 10])
    image.save(path)
    np.testing.assert_array_equal(read_image(path), np.where(LEVELS > 100, 10, 200))


def test_channels(tmp_path):
    pixels = np.stack([LEVELS, LEVELS[::-1], 255 - LEVELS], axis=2)
    path = tmp_path / "colour.png"
    Image.fromarray(pixels).save(path)
    for index, name in enumerate(("red", "green", "blue")):
        np.testing.assert_array_equal(read_image(path, channel=name), pixels[..., index])
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    np.testing.assert_allclose(read_image(path, channel="luma"), luma, atol=1.0)
    with pytest.raises(DataError, match="colour image"):
        read_image(path)
    with pytest.raises(ParameterError, match="channel"):
        read_image(path, channel="alpha")


def test_transparency_is_refused_unless_it_is_opaque(tmp_path):
    grey_alpha = np.stack([LEVELS, np.full_like(LEVELS, 255)], axis=2)
    Image.fromarray(grey_alpha, "LA").save(tmp_path / "opaque.png")
    np.testing.assert_array_equal(read_image(tmp_path / "opaque.png"), LEVELS)
    grey_alpha[0, 0, 1] = 0
    Image.fromarray(grey_alpha, "LA").save(tmp_path / "hole.png")
    with pytest.raises(DataError, match="transparent"):
        read_image(tmp_path / "hole.png")


def test_several_pages_are_refused(tmp_path):
    page = Image.fromarray(LEVELS)
    page.save(tmp_path / "stack.tif", save_all=True, append_images=[page, page])
    with pytest.raises(DataError, match="3 pages"):
        read_image(tmp_path / "stack.tif")


@pytest.mark.parametrize(
    ("name", "content", "match"),
    [
        ("text.png", b"hello", "not a readable image"),
        ("none.png", None, "no such file"),
        ("image.bmp", b"", "not an image file"),
    ],
)
def test_what_is_no_image(tmp_path, name, content, match):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=match):
        read_image(tmp_path / name)


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("uint8", 127.5), ("uint16", 32767.5), ("int32", (2**31 - 1) / 2), ("f4", 0.5), (bool, 0.5)],
)
def test_half_of_a_dtype(dtype, expected):
    assert half_range(dtype) == expected


@given(
    arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=6)),
    st.floats(-10, 300, allow_nan=False),
)
def test_a_mask_and_its_inverse_share_the_cells(levels, threshold):
    mask = mask_from_levels(levels, threshold)
    assert mask.tolist() == [[int(x) > threshold for x in row] for row in levels]
    assert (mask_from_levels(levels, threshold, invert=True) == ~mask).all()


def test_a_boolean_image_is_its_own_mask():
    np.testing.assert_array_equal(mask_from_levels(LEVELS > 9), LEVELS > 9)


@pytest.mark.parametrize(
    ("levels", "threshold", "error"),
    [
        (np.zeros(4), None, ParameterError),
        (np.zeros((2, 2, 3)), None, ParameterError),
        (np.zeros((0, 3)), None, ParameterError),
        (np.array([["a"]]), None, ParameterError),
        (np.zeros((2, 2)), np.inf, ParameterError),
        (np.array([[0.0, np.nan]]), 0.5, DataError),
    ],
)
def test_levels_that_give_no_mask(levels, threshold, error):
    with pytest.raises(error):
        mask_from_levels(levels, threshold)


@given(arrays(bool, array_shapes(min_dims=2, max_dims=2, max_side=20)))
def test_padding_keeps_the_image_and_adds_background(mask):
    padded = pad_to_power_of_two(mask)
    side = padded.shape[0]
    assert padded.shape == (side, side)
    assert side & (side - 1) == 0
    assert side / 2 < max(mask.shape) <= side
    np.testing.assert_array_equal(padded[: mask.shape[0], : mask.shape[1]], mask)
    assert padded.sum() == mask.sum()


@pytest.mark.parametrize("mask", [np.zeros((2, 2)), np.zeros(3, bool), np.zeros((0, 2), bool)])
def test_padding_takes_masks_alone(mask):
    with pytest.raises(ParameterError):
        pad_to_power_of_two(mask)
