"""Every sample format × photometric × byte order × compression × container, value for value."""

from __future__ import annotations

import itertools
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow
from tiff_writer import write_tiff

from mfnjax.errors import DataError
from mfnjax.images import open_image, read_image

DTYPES = ("?", "u1", "u2", "u4", "u8", "i1", "i2", "i4", "i8", "f2", "f4", "f8")
WHITE, BLACK, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
HOW = [*itertools.product("<>", (1, 8, 32773, 5), ("strips", "big", "tiles"))]


def values(dtype: str, *shape: int) -> np.ndarray:
    """Levels over the whole range of a dtype."""
    random = np.random.default_rng(7)
    kind = np.dtype(dtype)
    if kind.kind == "b":
        return random.random(shape) < 0.4
    if kind.kind == "f":
        return (random.normal(size=shape) * 300).astype(kind)
    about = np.iinfo(kind)
    return random.integers(about.min, about.max, shape, kind, endpoint=True)


def same(found: np.ndarray, expected: np.ndarray) -> None:
    assert found.dtype == expected.dtype
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("photometric", [BLACK, WHITE])
def test_grey_of_every_format(tmp_path: Path, dtype: str, photometric: int) -> None:
    array = values(dtype, 12, 21)
    can_be_white = array.dtype.kind in "ub"
    for order, compression, container in HOW:
        how = {"order": order, "compression": compression, "container": container}
        path = write_tiff(tmp_path / "a.tif", array, photometric, **how)
        if photometric == WHITE and not can_be_white:
            with pytest.raises(DataError, match="0 is white"):
                read_image(path)
            continue
        if compression != 5:
            np.testing.assert_array_equal(tifffile.imread(path), array)
        same(read_image(path), ~array if photometric == WHITE else array)


@pytest.mark.thorough
@pytest.mark.parametrize("dtype", DTYPES[1:])
def test_colours_alpha_and_channels_of_every_format(tmp_path: Path, dtype: str) -> None:
    full = np.iinfo(dtype).max if np.dtype(dtype).kind in "iu" else 1
    colour = values(dtype, 12, 21, 3)
    alpha = np.full((12, 21, 1), full, dtype)
    grey = colour[..., :1]
    for order, compression, container in itertools.product(
        "<>", (1, 5), ("strips", "tiles", "planar")
    ):
        how = {"order": order, "compression": compression, "container": container}
        path = write_tiff(tmp_path / "rgb.tif", colour, RGB, **how)
        for number, name in enumerate(("red", "green", "blue")):
            same(read_image(path, channel=name), colour[..., number])
        with pytest.raises(DataError, match="colour image"):
            read_image(path)
        rgba = np.concatenate([colour, alpha], 2)
        path = write_tiff(tmp_path / "rgba.tif", rgba, RGB, extra=2, **how)
        same(read_image(path, channel="green"), colour[..., 1])
        same(open_image(path).values, rgba)
        path = write_tiff(tmp_path / "la.tif", np.concatenate([grey, alpha], 2), 1, extra=2, **how)
        same(read_image(path), grey[..., 0])
        path = write_tiff(tmp_path / "two.tif", colour[..., :2], BLACK, extra=0, **how)
        same(read_image(path, channel=1), colour[..., 1])
        with pytest.raises(DataError, match="2 channels"):
            read_image(path)
        assert open_image(path).axes == "CYX"


@pytest.mark.parametrize("compression", [1, 8, 5])
def test_palettes_predictors_and_what_is_refused(tmp_path: Path, compression: int) -> None:
    index = values("u1", 12, 21)
    ramp = np.arange(256)[::-1]
    grey = np.stack([ramp * 257] * 3).astype(np.uint16)
    coloured = grey * np.array([[1], [0], [1]], np.uint16)
    for order in "<>":
        how = {"order": order, "compression": compression}
        path = write_tiff(tmp_path / "p.tif", index, PALETTE, colormap=grey, **how)
        same(read_image(path), (255 - index))
        same(read_image(path), np.array(Pillow.open(path).convert("L")))
        path = write_tiff(tmp_path / "c.tif", index, PALETTE, colormap=coloured, **how)
        same(read_image(path, channel="index"), index)
        same(read_image(path, channel="red"), 255 - index)
        with pytest.raises(DataError, match="colour image"):
            read_image(path)
        for dtype in ("u1", "u2", "u4", "i2"):
            array = values(dtype, 12, 21)
            for container in ("strips", "tiles"):
                path = write_tiff(
                    tmp_path / "d.tif", array, BLACK, predictor=2, container=container, **how
                )
                if compression == 1:
                    with pytest.raises(DataError, match="predictor"):
                        read_image(path)
                else:
                    same(read_image(path), array)
        path = write_tiff(tmp_path / "k.tif", values("u1", 12, 21, 4), CMYK, **how)
        with pytest.raises(DataError, match="SEPARATED"):
            read_image(path)
        path = write_tiff(tmp_path / "z.tif", values("f4", 12, 21).astype("c8"), BLACK, **how)
        with pytest.raises(DataError, match="complex"):
            read_image(path)


def png(array: np.ndarray, colour: int, *, more: bytes = b"") -> bytes:
    """A 16-bit PNG by hand, its lines under each of the five filters in turn."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        body = kind + data
        return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))

    height, width = array.shape[:2]
    step = 2 * (array.shape[2] if array.ndim == 3 else 1)
    lines = array.astype(">u2").reshape(height, -1).view(np.uint8).astype(int)
    raw = b""
    for row in range(height):
        kind, line = row % 5, lines[row]
        above = lines[row - 1] if row else np.zeros_like(line)
        left, corner = (np.concatenate([np.zeros(step, int), one[:-step]]) for one in (line, above))
        guess = left + above - corner
        far = [abs(guess - one) for one in (left, above, corner)]
        paeth = np.where(
            (far[0] <= far[1]) & (far[0] <= far[2]), left, np.where(far[1] <= far[2], above, corner)
        )
        line = line - (np.zeros_like(line), left, above, (left + above) // 2, paeth)[kind]
        raw += bytes([kind]) + (line % 256).astype(np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", width, height, 16, colour, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + (chunk(b"tRNS", more) if more else b"")
        + chunk(b"IDAT", zlib.compress(raw))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("shape", [(12, 21), (21, 3), (1, 7), (7, 1)])
def test_png_of_16_bits(tmp_path: Path, shape: tuple[int, int]) -> None:
    colour = values("u2", *shape, 4)
    path = tmp_path / "deep.png"
    path.write_bytes(png(colour[..., 0], 0))
    same(read_image(path), colour[..., 0])
    path.write_bytes(png(colour[..., :3], 2))
    for number, name in enumerate(("red", "green", "blue")):
        same(read_image(path, channel=name), colour[..., number])
    path.write_bytes(png(np.stack([colour[..., 0]] * 3, 2), 2))
    same(read_image(path), colour[..., 0])
    path.write_bytes(png(colour, 6))
    same(open_image(path).values, colour)
    with pytest.raises(DataError, match="transparent"):
        read_image(path, channel="red")
    path.write_bytes(png(np.stack([colour[..., 0], np.full(shape, 65535, "u2")], 2), 4))
    same(read_image(path), colour[..., 0])
    clear = colour[0, 0, :3].astype(">u2").tobytes()
    path.write_bytes(png(colour[..., :3], 2, more=clear))
    with pytest.raises(DataError, match="transparent"):
        read_image(path, channel="red")
    damaged = bytearray(png(colour, 6))
    damaged[60] ^= 1
    path.write_bytes(bytes(damaged))
    with pytest.raises(DataError, match="damaged"):
        read_image(path)


@pytest.mark.parametrize("compression", ["tiff_lzw", "tiff_ccitt", "group4", "jpeg", "packbits"])
def test_what_pillow_writes_is_what_pillow_reads(tmp_path: Path, compression: str) -> None:
    depths = {"tiff_ccitt": ("?",), "group4": ("?",), "jpeg": ("u1",)}
    for dtype in depths.get(compression, ("?", "u1", "u2", "i4", "f4")):
        path = tmp_path / "a.tif"
        Pillow.fromarray(values(dtype, 40, 21)).save(path, compression=compression)
        same(read_image(path), np.array(Pillow.open(path)))
        if compression != "jpeg":
            same(read_image(path), values(dtype, 40, 21))
    if compression == "jpeg":
        Pillow.fromarray(values("u1", 40, 24, 3)).save(path, compression=compression)
        same(open_image(path).values, np.array(Pillow.open(path)))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pictures_stand_upright(tmp_path: Path, orientation: int) -> None:
    array = values("u1", 12, 21)
    about = Pillow.Exif()
    about[274] = orientation
    for suffix in ("png", "jpg"):
        Pillow.fromarray(array).save(tmp_path / f"a.{suffix}", exif=about, quality=100)
        from PIL import ImageOps

        shown = ImageOps.exif_transpose(Pillow.open(tmp_path / f"a.{suffix}"))
        same(read_image(tmp_path / f"a.{suffix}"), np.array(shown))
    path = write_tiff(tmp_path / "a.tif", array, BLACK, more={274: ("H", [orientation])})
    same(read_image(path), np.array(Pillow.open(path)))


def test_luma_is_pillows(tmp_path: Path) -> None:
    colour = values("u1", 40, 21, 3)
    Pillow.fromarray(colour).save(tmp_path / "a.png")
    expected = np.array(Pillow.open(tmp_path / "a.png").convert("L"))
    same(read_image(tmp_path / "a.png", channel="luma"), expected)


@pytest.mark.parametrize("how", [{}, {"compression": "zlib"}, {"tile": (16, 16)}])
def test_a_file_that_was_cut_is_never_read(tmp_path: Path, how: dict[str, object]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values("u2", 64, 80), photometric="minisblack", **how)
    content = path.read_bytes()
    for share in (0.3, 0.7, 0.99):
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(DataError):
            read_image(path)


def test_pages_however_they_were_written(tmp_path: Path) -> None:
    pages, path = values("u2", 4, 12, 21), tmp_path / "a.tif"
    tifffile.imwrite(path, pages, photometric="minisblack", truncate=True)
    same(open_image(path).values, pages)
    same(read_image(path, page=2), pages[2])
    with tifffile.TiffWriter(path) as file:
        for page in pages:
            file.write(page, photometric="minisblack", contiguous=False, compression="zlib")
    same(open_image(path).values, pages)
    same(read_image(path, page=3), pages[3])
    tifffile.imwrite(path, pages[:1], photometric="minisblack", byteorder=">", bigtiff=True)
    same(read_image(path), pages[0])
    same(read_image(path, page=0), pages[0])
    with tifffile.TiffWriter(path) as file:
        file.write(pages[0], photometric="minisblack", subifds=1)
        file.write(pages[0, ::2, ::2], photometric="minisblack", subfiletype=1)
    same(read_image(path), pages[0])


def test_what_claims_to_be_huge_is_refused(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", values("u1", 12, 21), BLACK)
    content = bytearray(path.read_bytes())
    for tag in (256, 257):
        place = content.find(struct.pack("<HHI", tag, 4, 1))
        content[place + 8 : place + 12] = struct.pack("<I", 100_000)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="pixels; at most"):
        read_image(path)
    path = tmp_path / "a.png"
    path.write_bytes(
        png(values("u2", 4, 4, 3), 2).replace(struct.pack(">II", 4, 4), b"\0\1\0\0" * 2)
    )
    with pytest.raises(DataError):
        read_image(path)


def test_strips_that_are_missing_are_not_zeros(tmp_path: Path) -> None:
    path = write_tiff(tmp_path / "a.tif", values("u1", 12, 21), BLACK, compression=8)
    content = bytearray(path.read_bytes())
    with tifffile.TiffFile(path) as file:
        place = file.pages[0].tags[279].valueoffset
    content[place : place + 4] = bytes(4)
    path.write_bytes(bytes(content))
    with pytest.raises(DataError, match="missing"):
        read_image(path)
