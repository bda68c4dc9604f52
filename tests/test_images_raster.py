"""Pictures without tags."""

import struct
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram, size_of
from mammoscope.images.lesions import mask_box

AS_IS = Preprocess(rows=64, cols=48, region="whole", flip="none", clear_background=False)


def breast(top: int) -> np.ndarray:
    y, x = np.mgrid[:64, :48]
    away = np.hypot(y - 31.5, x)
    return np.where(away < 28, top * (1 - away / 40), 0)


def saved(values: np.ndarray, file: Path, **options: object) -> Path:
    Image.fromarray(values).save(file, **options)
    return file


@pytest.mark.parametrize("name", ["one.png", "one.pgm", "one.tif"])
@pytest.mark.parametrize("invert", [False, True])
def test_8_bit_pictures_are_shown_as_they_are_with_a_dark_background(tmp_path: Path, name: str, invert: bool) -> None:  # noqa: FBT001
    values = breast(255).astype(np.uint8)
    file = saved(255 - values if invert else values, tmp_path / name)

    mammogram = read_mammogram(file, preprocess=AS_IS)

    np.testing.assert_allclose(mammogram.pixels, values / 255, atol=1e-6)
    assert mammogram.laterality is None
    assert mammogram.spacing_mm is None


@pytest.mark.parametrize("name", ["one.png", "one.pgm", "one.tif"])
def test_16_bit_pictures_keep_their_order_and_fill_the_range(tmp_path: Path, name: str) -> None:
    values = breast(3000).astype(np.uint16)

    pixels = read_mammogram(saved(values, tmp_path / name), preprocess=AS_IS).pixels

    assert np.all(np.diff(pixels.ravel()[np.argsort(values, axis=None)]) >= -1e-6)
    assert pixels.max() == 1.0
    assert pixels[0, -1] == 0.0


def test_a_jpeg_is_read_nearly_unchanged(tmp_path: Path) -> None:
    values = breast(200).astype(np.uint8)

    mammogram = read_mammogram(saved(values, tmp_path / "one.jpg", quality=95), preprocess=AS_IS)

    assert np.abs(mammogram.pixels - values / 255).mean() < 0.01


def test_the_content_decides_not_the_name(tmp_path: Path) -> None:
    file = saved(breast(255).astype(np.uint8), tmp_path / "one.png").rename(tmp_path / "one.dcm")

    assert read_mammogram(file, preprocess=AS_IS).pixels.max() > 0.9


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "LA", "P"])
def test_grey_saved_as_colour_is_read(tmp_path: Path, mode: str) -> None:
    values = breast(255).astype(np.uint8)
    file = tmp_path / "one.png"
    Image.fromarray(values).convert(mode).save(file)

    np.testing.assert_allclose(read_mammogram(file, preprocess=AS_IS).pixels, values / 255, atol=1e-6)


@pytest.mark.parametrize("name", ["one.png", "one.tif", "one.ppm"])
@pytest.mark.parametrize("channels", [3, 4])
def test_grey_saved_as_colour_of_16_bits_keeps_them_all(tmp_path: Path, name: str, channels: int) -> None:
    """Pillow cuts such pictures to 8 bits: values from 1000 to 1200 once were one grey."""
    values = (1000 + breast(200)).astype(np.uint16)
    file = tmp_path / name
    alpha = np.full_like(values, 65535)
    layers = [*[values] * 3, alpha][: 3 if name.endswith("ppm") else channels]
    file.write_bytes(cv2.imencode(file.suffix, np.dstack(layers))[1].tobytes())

    mammogram = read_mammogram(file, preprocess=AS_IS)
    alone = read_mammogram(saved(values, tmp_path / "grey.png"), preprocess=AS_IS)

    np.testing.assert_array_equal(mammogram.pixels, alone.pixels)
    assert "16 bit" in mammogram.trail[0].detail


def test_channels_that_differ_only_below_8_bits_are_colour(tmp_path: Path) -> None:
    values = breast(60000).astype(np.uint16)
    file = tmp_path / "one.png"
    file.write_bytes(cv2.imencode(".png", np.dstack([values, values, values ^ 1]))[1].tobytes())

    with pytest.raises(ImageError, match="channels differ"):
        read_mammogram(file)


TURNS = {
    "jpeg": ("one.jpg", np.uint8, {"quality": 95}),
    "png": ("one.png", np.uint8, {}),
    "png, 16 bit": ("one.png", np.uint16, {}),
    "tiff": ("one.tif", np.uint8, {}),
    "tiff, 16 bit": ("one.tif", np.uint16, {}),
    "tiff, lzw": ("one.tif", np.uint8, {"compression": "tiff_lzw"}),
    "tiff, deflate, 16 bit": ("one.tif", np.uint16, {"compression": "tiff_adobe_deflate"}),
}


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("kind", sorted(TURNS))
def test_pixels_stay_as_they_lie_in_the_file_whatever_its_orientation(
    tmp_path: Path, kind: str, orientation: int
) -> None:
    """Pillow turns a TIFF while it decodes it, and once made stripes of an uncompressed one on its side."""
    name, dtype, options = TURNS[kind]
    values = breast(200).astype(dtype)
    exif = Image.Exif()
    exif[274] = orientation
    wish = {"tiffinfo": {274: orientation}} if name.endswith("tif") else {"exif": exif}
    upright = read_mammogram(saved(values, tmp_path / name, **options), preprocess=AS_IS)

    file = saved(values, tmp_path / name, **options, **wish)
    mammogram, size = read_mammogram(file, preprocess=AS_IS), size_of(file)

    np.testing.assert_array_equal(mammogram.pixels, upright.pixels)
    assert mammogram.original_shape == (size.rows, size.cols) == values.shape
    assert [step.cause for step in mammogram.trail if "not followed" in step.detail] == [f"Orientation = {orientation}"]
    assert not any(step.name == "oddity" for step in upright.trail)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", sorted(TURNS))
def test_a_mask_lies_as_its_picture_does_whatever_its_orientation(tmp_path: Path, kind: str, orientation: int) -> None:
    name, dtype, options = TURNS[kind]
    drawn = np.zeros((64, 48), dtype=dtype)
    drawn[8:24, 16:40] = 255 * (256 if name.endswith("png") and dtype is np.uint16 else 1)
    exif = Image.Exif()
    exif[274] = orientation
    wish = {"tiffinfo": {274: orientation}} if name.endswith("tif") else {"exif": exif}
    picture = saved(breast(200).astype(np.uint8), tmp_path / f"picture-{name}", **wish)

    assert mask_box(saved(drawn, tmp_path / name, **options, **wish), picture=picture) == (16, 8, 40, 24)


def test_an_orientation_that_cannot_be_parsed_is_noted_and_the_picture_read(tmp_path: Path) -> None:
    file = saved(breast(255).astype(np.uint8), tmp_path / "one.png", exif=b"Exif\0\0 no such thing")

    assert "Orientation = no number" in [step.cause for step in read_mammogram(file, preprocess=AS_IS).trail]


def test_colour_of_16_bits_that_is_to_be_turned_is_refused(tmp_path: Path) -> None:
    """Pillow would cut its depth, and OpenCV turns it."""
    values = np.dstack([breast(3000).astype(np.uint16)] * 3)
    content = cv2.imencode(".tif", values, [cv2.IMWRITE_TIFF_COMPRESSION, 1])[1].tobytes()
    file = tmp_path / "one.tif"
    file.write_bytes(_with_tag(content, 274, 6))

    with pytest.raises(ImageError, match="is to be turned") as caught:
        read_mammogram(file)

    assert caught.value.code == "unsupported_pixels"


def _with_tag(tiff: bytes, tag: int, value: int) -> bytes:
    """A little-endian TIFF whose directory is written again at its end, with one short tag more."""
    start = struct.unpack("<I", tiff[4:8])[0]
    count = struct.unpack("<H", tiff[start : start + 2])[0]
    entries = [tiff[at : at + 12] for at in range(start + 2, start + 2 + 12 * count, 12)]
    entries = [entry for entry in entries if struct.unpack("<H", entry[:2])[0] != tag]
    entries = sorted(
        [*entries, struct.pack("<HHIHH", tag, 3, 1, value, 0)], key=lambda one: struct.unpack("<H", one[:2])
    )
    directory = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    return tiff[:4] + struct.pack("<I", len(tiff)) + tiff[8:] + directory


def coloured(file: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(file, format="PNG")


def paged(file: Path) -> None:
    page = Image.fromarray(breast(255).astype(np.uint8))
    page.save(file, format="TIFF", save_all=True, append_images=[page])


def netpbm(head: str, values: np.ndarray) -> bytes:
    match head[:2]:
        case "P2":
            body = b" ".join(str(value).encode() for value in values.ravel()) + b"\n"
        case "P4":
            body = np.packbits(values == 0, axis=1).tobytes()  # 1 is black
        case "P6":
            body = np.dstack([values] * 3).tobytes()
        case _:
            body = values.tobytes()
    return f"{head}\n".encode() + body


NETPBM = {
    "8 bit": ("P5\n48 64\n255", 255, "u1"),
    "7 bit": ("P5\n48 64\n100", 100, "u1"),
    "12 bit": ("P5\n# 48 of 64\n48 64\n4095", 4095, ">u2"),
    "16 bit": ("P5 48 64 65535", 65535, ">u2"),
    "in words": ("P2\n# no P2 of many\n48 64\n255", 255, "u1"),
    "bits": ("P4\n48 64", 255, "u1"),
    "colour": ("P6\n48 64\n255", 255, "u1"),
    "colour, 16 bit": ("P6\n48 64\n65535", 65535, ">u2"),
}


@pytest.mark.parametrize("kind", sorted(NETPBM))
def test_a_second_picture_behind_the_first_is_refused_and_a_blank_is_none(tmp_path: Path, kind: str) -> None:
    head, top, dtype = NETPBM[kind]
    picture = netpbm(head, breast(top).astype(dtype))
    one, two = tmp_path / "one.pgm", tmp_path / "two.pgm"
    one.write_bytes(picture + b"\n")
    two.write_bytes(picture * 2)

    assert read_mammogram(one, preprocess=AS_IS).pixels.max() > 0.9
    with pytest.raises(ImageError, match="two.pgm: holds several pictures") as caught:
        read_mammogram(two)
    assert caught.value.code == "multi_frame"


def cut(kind: str):
    def write(file: Path) -> None:
        noise = np.random.default_rng(0).integers(0, 255, (200, 200), np.uint8)
        Image.fromarray(noise).save(file, format=kind)
        file.write_bytes(file.read_bytes()[:5000])

    return write


def bomb(file: Path) -> None:
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(file, format="PPM")
    file.write_bytes(file.read_bytes().replace(b"16 16", b"60000 60000"))


def large(file: Path) -> None:
    Image.fromarray(np.zeros((16, 16), np.uint8)).save(file, format="PPM")
    file.write_bytes(file.read_bytes().replace(b"16 16", b"12000 12000"))


REFUSED = {
    "zero bytes": (lambda file: file.write_bytes(b""), "empty", "has no bytes"),
    "text": (lambda file: file.write_bytes(b"<html>not found</html>" * 20), "not_an_image", "neither DICOM nor"),
    "one byte": (lambda file: file.write_bytes(b"\x08"), "not_an_image", "neither DICOM nor"),
    "gif": (lambda file: Image.new("L", (32, 32)).save(file, format="GIF"), "not_an_image", "neither DICOM nor"),
    "colour": (coloured, "colour", "channels differ"),
    "pages": (paged, "multi_frame", "2 pages"),
    "cut png": (cut("PNG"), "truncated", "ends before"),
    "cut jpeg": (cut("JPEG"), "truncated", "ends before"),
    "cut pgm": (cut("PPM"), "truncated", "ends before"),
    "constant": (lambda file: Image.new("L", (32, 32), 9).save(file, format="PNG"), "blank", "every pixel is 9"),
    "tiny": (lambda file: Image.new("L", (8, 32), 9).save(file, format="PNG"), "implausible", "8 columns"),
    "bomb": (bomb, "implausible", "claims more than"),
    "large": (large, "implausible", "claims more than"),
    "cmyk": (lambda file: Image.new("CMYK", (32, 32)).save(file, format="TIFF"), "unsupported_pixels", "CMYK"),
    "float": (lambda file: Image.new("F", (32, 32)).save(file, format="TIFF"), "unsupported_pixels", "'F'"),
}


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_what_is_no_grey_picture_is_refused_with_its_reason(tmp_path: Path, name: str) -> None:
    write, code, message = REFUSED[name]
    file = tmp_path / "one.img"
    write(file)

    with pytest.raises(ImageError, match=f"one.img: .*{message}") as caught:
        read_mammogram(file)

    assert caught.value.code == code
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_file_and_a_folder_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="no such file") as missing:
        read_mammogram(tmp_path / "none.png")
    with pytest.raises(ImageError, match="directory") as folder:
        read_mammogram(tmp_path)

    assert (missing.value.code, folder.value.code) == ("missing", "unreadable")


@pytest.mark.parametrize("read", [read_mammogram, size_of])
def test_a_name_that_no_file_can_have_is_a_missing_file(read: Callable[[Path], object]) -> None:
    with pytest.raises(ImageError, match=r"^a\?b.png: no file can have such a name") as caught:
        read(Path("a\0b.png"))

    assert caught.value.code == "missing"
