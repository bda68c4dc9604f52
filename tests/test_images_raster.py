"""Pictures without tags."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram, size_of

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


def test_a_wish_to_turn_the_picture_is_noted(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[274] = 6
    file = saved(breast(255).astype(np.uint8), tmp_path / "one.jpg", exif=exif)

    assert any("not followed" in step.detail for step in read_mammogram(file).trail)


def coloured(file: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8)).save(file, format="PNG")


def paged(file: Path) -> None:
    page = Image.fromarray(breast(255).astype(np.uint8))
    page.save(file, format="TIFF", save_all=True, append_images=[page])


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
