"""Lesions as samples: cut out by their crop, their box or their mask, and read again as they were prepared."""

import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mammoscope.batches import prepare
from mammoscope.batches.places import lesion_places
from mammoscope.cli import app
from mammoscope.cohort import Input, unit_rows
from mammoscope.errors import ImageError, SourceError, StorageError
from mammoscope.explain.again import read_again
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.images.cached import geometry_of
from mammoscope.images.grey import to_grey
from mammoscope.images.lesions import around, inside
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.pipeline import divide, make_ready
from mammoscope.records import Index, Record, image_table, index_of
from mammoscope.sources import SOURCES, build_index
from mammoscope.training import Recipe
from mammoscope.vocabulary import Laterality, View

FINDING = Record(
    source="own", patient_id="1", image_id="a", path="a.png", laterality=Laterality.LEFT, view=View.CC, lesion_id="1"
)
PLACED = {"lesion_x0": 30.0, "lesion_y0": 60.0, "lesion_x1": 50.0, "lesion_y1": 70.0}


def index(*records: Record, root: Path = Path()) -> Index:
    return index_of(records, roots={"own": root})


def recipe(**settings: object) -> Recipe:
    return Recipe.model_validate({"name": "test", "source": "own", **settings})


def rows_of(found: Index, **settings: object) -> pl.DataFrame:
    return unit_rows(image_table(found), records=found.table, settings=Input(**settings))[0]


def breast_with_spot(path: Path, *, mirrored: bool = False) -> Path:
    """A bright half disc on the left, with one brighter pixel block in columns 30-50, rows 60-70."""
    y, x = np.mgrid[:160, :120]
    pixels = np.where((y - 80) ** 2 + x**2 < 70**2, 100, 0).astype(np.uint8)
    pixels[60:70, 30:50] = 250
    cv2.imwrite(str(path), pixels[:, ::-1] if mirrored else pixels)
    return path


edges = st.floats(-500, 1500)
sides = st.floats(1, 400)


@given(x=edges, y=edges, width=sides, height=sides, context=st.floats(0, 2), square=st.booleans())
def test_the_region_holds_the_box_and_its_air(
    x: float, y: float, width: float, height: float, context: float, *, square: bool
) -> None:
    x0, y0, x1, y1 = around((x, y, x + width, y + height), context=context, square=square)

    air = context * max(width, height)
    assert (x0, y0) <= (x - air + 1e-6, y - air + 1e-6)
    assert max(x + width + air - x1, y + height + air - y1, y0 - y + air) <= 1e-6
    assert (x0 + x1) / 2 == pytest.approx(x + width / 2, abs=1e-6)
    if square:
        assert x1 - x0 == pytest.approx(y1 - y0)


@given(edges, edges, sides, sides, st.integers(16, 900), st.integers(16, 900))
def test_a_region_is_moved_into_the_picture_and_keeps_its_size(
    x: float, y: float, width: float, height: float, rows: int, cols: int
) -> None:
    box = (x, y, x + width, y + height)

    moved = inside(box, shape=(rows, cols))

    if box[2] <= 0 or box[3] <= 0 or x >= cols or y >= rows:
        assert moved is None
        return
    x0, y0, x1, y1 = moved
    assert 0 <= x0 < x1 <= cols
    assert 0 <= y0 < y1 <= rows
    assert (x1 - x0, y1 - y0) == pytest.approx((min(box[2] - box[0], cols), min(box[3] - box[1], rows)))


@pytest.mark.parametrize("mirrored", [False, True])
def test_the_cut_around_a_box_shows_the_lesion_at_its_place(tmp_path: Path, *, mirrored: bool) -> None:
    file = breast_with_spot(tmp_path / "a.png", mirrored=mirrored)
    x0, x1 = (70.0, 90.0) if mirrored else (30.0, 50.0)
    region = around((x0, 60.0, x1, 70.0), context=0.5, square=True)

    mammogram = read_mammogram(file, preprocess=Preprocess(rows=80, cols=80), box=region)

    assert mammogram.geometry.flipped is mirrored
    assert mammogram.geometry.kept == region
    left, top, right, bottom = mammogram.geometry.box_to_final((x0, 60.0, x1, 70.0))
    assert (left, top, right, bottom) == pytest.approx((20, 30, 60, 50))
    bright = np.argwhere(mammogram.pixels > 0.7)
    assert (bright.min(axis=0).tolist(), bright.max(axis=0).tolist()) == ([30, 20], [49, 59])
    assert mammogram.geometry.box_to_original((left, top, right, bottom)) == pytest.approx((x0, 60.0, x1, 70.0))
    causes = [step.cause for step in mammogram.trail if step.detail.startswith("crop")]
    assert causes == [
        f"the surroundings of a lesion, columns {region[0]:.1f}-{region[2]:.1f}, rows 45.0-85.0 of the file"
    ]


def test_nothing_is_cleared_away_around_a_lesion(tmp_path: Path) -> None:
    """A label outside the breast stays: where the skin is, is not asked."""
    pixels = cv2.imread(str(breast_with_spot(tmp_path / "a.png")), cv2.IMREAD_GRAYSCALE)
    pixels[5:15, 90:100] = 200
    cv2.imwrite(str(tmp_path / "a.png"), pixels)
    settings = Preprocess(rows=32, cols=32)

    cut = read_mammogram(tmp_path / "a.png", preprocess=settings, box=(80.0, 0.0, 112.0, 32.0))

    assert cut.pixels[5:15, 10:20].min() > 0.7
    assert "background" not in {step.name for step in cut.trail}


def test_a_lesion_outside_its_picture_is_refused(tmp_path: Path) -> None:
    file = breast_with_spot(tmp_path / "a.png")

    with pytest.raises(
        ImageError, match="160 rows and 120 columns, and its lesion is said to lie at columns 500"
    ) as no:
        read_mammogram(file, box=(500.0, 0.0, 540.0, 40.0))

    assert no.value.code == "implausible"


@pytest.mark.parametrize(("side", "flipped"), [(Laterality.LEFT, False), (Laterality.RIGHT, True), (None, False)])
def test_a_crop_file_is_kept_whole_and_mirrored_by_the_side_of_the_body_alone(
    tmp_path: Path, side: Laterality | None, *, flipped: bool
) -> None:
    ramp = np.tile(np.linspace(40, 200, 64).astype(np.uint8), (64, 1))
    cv2.imwrite(str(tmp_path / "crop.png"), ramp)

    crop = read_mammogram(tmp_path / "crop.png", preprocess=Preprocess(rows=64, cols=64), laterality=side, is_crop=True)

    shown = ramp[:, ::-1] if flipped else ramp
    np.testing.assert_array_equal(np.rint(crop.pixels * 255), shown)
    assert crop.geometry.flipped is flipped


def test_a_bright_crop_is_not_taken_for_a_negative(tmp_path: Path) -> None:
    """Most of it at one bright value: of a whole picture, that would be the background."""
    pixels = np.full((64, 64), 255, dtype=np.uint8)
    pixels[20:40, 20:40] = 60
    cv2.imwrite(str(tmp_path / "crop.png"), pixels)

    crop = read_mammogram(tmp_path / "crop.png", preprocess=Preprocess(rows=64, cols=64), is_crop=True)

    assert crop.pixels[0, 0] > crop.pixels[30, 30]


# the cache


def test_the_geometry_in_the_cache_is_that_of_the_picture(tmp_path: Path) -> None:
    breast_with_spot(tmp_path / "a.png", mirrored=True)
    found = index(replace(FINDING, laterality=Laterality.RIGHT, **PLACED), root=tmp_path)
    settings = Preprocess(rows=48, cols=40)

    (file,) = prepare(image_table(found), roots=found.roots, preprocess=settings, folder=tmp_path / "cache", workers=0)[
        "file"
    ]

    read = read_mammogram(tmp_path / "a.png", preprocess=settings, laterality=Laterality.RIGHT, view=View.CC)
    assert geometry_of(tmp_path / "cache" / file) == read.geometry


def test_an_entry_without_a_geometry_is_prepared_again(tmp_path: Path) -> None:
    breast_with_spot(tmp_path / "a.png")
    found = index(FINDING, root=tmp_path)
    how = {"roots": found.roots, "preprocess": Preprocess(rows=32, cols=32), "folder": tmp_path / "cache", "workers": 0}
    file = tmp_path / "cache" / prepare(image_table(found), **how)["file"][0]
    old = json.loads(file.with_suffix(".json").read_text())
    del old["geometry"]
    file.with_suffix(".json").write_text(json.dumps(old))
    with pytest.raises(StorageError, match="Run mammoscope prepare again"):
        geometry_of(file)

    prepare(image_table(found), **how)

    assert geometry_of(file).original_shape == (160, 120)


def test_lesions_of_one_picture_are_prepared_apart_in_processes_and_in_this_one(tmp_path: Path) -> None:
    breast_with_spot(tmp_path / "a.png")
    found = index(
        replace(FINDING, malignant=True, **PLACED),
        replace(FINDING, lesion_id="2", lesion_x0=65.0, lesion_y0=75.0, lesion_x1=75.0, lesion_y1=85.0),
        root=tmp_path,
    )
    sample = Input(unit="lesion", context=0.5)
    settings = Preprocess(rows=32, cols=32)

    tables = [
        prepare(
            rows_of(found, **sample.model_dump()),
            roots=found.roots,
            preprocess=settings,
            folder=tmp_path / str(n),
            workers=n,
            sample=sample,
        )
        for n in (0, 2)
    ]

    assert tables[0].equals(tables[1])
    assert tables[0]["file"].n_unique() == 2
    kept = [geometry_of(tmp_path / "0" / file).kept for file in tables[0]["file"]]
    assert kept == [(20.0, 45.0, 60.0, 85.0), (60.0, 70.0, 80.0, 90.0)]


def mask_of(path: Path, *, shape: tuple[int, int] = (160, 120)) -> None:
    mask = np.zeros(shape, dtype=np.uint8)
    mask[60:70, 30:50] = 255
    mask[2, 2] = 255  # a stray pixel
    cv2.imwrite(str(path), mask)


def test_a_mask_is_read_once_and_its_box_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breast_with_spot(tmp_path / "a.png")
    mask_of(tmp_path / "mask.png")
    found = index(replace(FINDING, mask_path="mask.png"), root=tmp_path)
    rows = rows_of(found, unit="lesion")
    how = {"roots": found.roots, "folder": tmp_path / "cache", "workers": 0}

    first = lesion_places(rows, **how)
    monkeypatch.setattr("mammoscope.batches.places.mask_box", lambda *_, **__: pytest.fail("read again"))
    second = lesion_places(rows, **how)

    assert first.row(0) == (30.0, 60.0, 50.0, 70.0, None, None)
    assert first.equals(second)


def test_a_mask_is_read_again_by_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    breast_with_spot(tmp_path / "a.png")
    mask_of(tmp_path / "mask.png")
    found = index(replace(FINDING, mask_path="mask.png"), root=tmp_path)
    how = {"roots": found.roots, "folder": tmp_path / "cache", "workers": 0}
    lesion_places(rows_of(found, unit="lesion"), **how)

    monkeypatch.setattr("mammoscope.batches.places.PIXELS_VERSION", "another")
    monkeypatch.setattr("mammoscope.batches.places.mask_box", lambda *_, **__: (1.0, 2.0, 3.0, 4.0))

    assert lesion_places(rows_of(found, unit="lesion"), **how).row(0)[:4] == (1.0, 2.0, 3.0, 4.0)


def test_a_mask_of_another_grid_is_told_and_its_lesion_not_cut_somewhere(tmp_path: Path) -> None:
    breast_with_spot(tmp_path / "a.png")
    mask_of(tmp_path / "mask.png", shape=(320, 240))
    found = index(replace(FINDING, mask_path="mask.png"), root=tmp_path)

    table = prepare(
        rows_of(found, unit="lesion"),
        roots=found.roots,
        preprocess=Preprocess(rows=32, cols=32),
        folder=tmp_path / "cache",
        workers=0,
        sample=Input(unit="lesion"),
    )

    assert table.select("code", "file").row(0) == ("implausible", None)
    assert "mask.png: has 320 rows and 240 columns, its picture 160 and 120" in table["message"][0]


def test_images_are_not_cut_as_lesions(tmp_path: Path) -> None:
    found = index(FINDING, root=tmp_path)

    with pytest.raises(SourceError, match="has no lesion_x0"):
        prepare(
            image_table(found),
            roots=found.roots,
            preprocess=Preprocess(),
            folder=tmp_path / "cache",
            sample=Input(unit="lesion"),
        )


# a planted CBIS-DDSM tree


@pytest.fixture(scope="module")
def cbis(tmp_path_factory: pytest.TempPathFactory) -> Index:
    folder = tmp_path_factory.mktemp("cbis")
    write_cbis_ddsm(folder, patients=12, seed=3, rows=320)
    return build_index(SOURCES["cbis_ddsm"], folder)


@pytest.mark.parametrize("crop", ["file", "box"])
def test_the_lesions_of_cbis_ddsm_are_divided_and_prepared(cbis: Index, tmp_path: Path, crop: str) -> None:
    """By its crops, and cut out around its masks."""
    asked = recipe(
        source="cbis_ddsm",
        input={"unit": "lesion", "crop": crop},
        split={"kind": "ratio", "train": 0.5, "tune": 0.25, "test": 0.25},
        preprocess={"rows": 48, "cols": 48},
    )

    divide(asked, cbis, run=tmp_path / "run")
    ready = make_ready(asked, cbis, run=tmp_path / "run", cache=tmp_path / "cache", workers=0)

    lesions = cbis.table.filter(pl.col("lesion_id").is_not_null())
    assert ready.height == lesions.height > 10
    assert ready["file"].null_count() == 0
    stated = lesions.select(pl.concat_str("image_id", "lesion_id", separator="#").alias("image_id"), "malignant")
    assert ready.select("image_id", "malignant").sort("image_id").equals(stated.sort("image_id"))
    assert ready.group_by("patient_id").agg(pl.col("part").n_unique())["part"].to_list() == [1] * 12
    parts = dict(ready.select("image_id", "path").iter_rows())
    assert (set(parts.values()) == set(lesions["crop_path"])) is (crop == "file")


def test_the_cut_around_a_mask_holds_what_the_crop_of_cbis_ddsm_shows(cbis: Index, tmp_path: Path) -> None:
    """Where the crop lies is found by matching its stored pixels against the picture's."""
    cuts = rows_of(cbis, unit="lesion").join(rows_of(cbis, unit="lesion", crop="file"), on="image_id", suffix="_crop")
    cuts = cuts.head(6)
    root = cbis.roots["cbis_ddsm"]
    places = lesion_places(cuts, roots=cbis.roots, folder=tmp_path, workers=0)

    for row, place in zip(cuts.to_dicts(), places.to_dicts(), strict=True):
        whole, crop = (
            pydicom.dcmread(root / row[name]).pixel_array.astype(np.float32) for name in ("path", "path_crop")
        )
        _, match, _, (left, top) = cv2.minMaxLoc(cv2.matchTemplate(whole, crop, cv2.TM_CCOEFF_NORMED))
        x, y = left + crop.shape[1] / 2, top + crop.shape[0] / 2
        assert match > 0.99
        assert place["lesion_x0"] < x < place["lesion_x1"]
        assert place["lesion_y0"] < y < place["lesion_y1"]


@pytest.mark.parametrize("crop", ["file", "box"])
def test_a_lesion_read_again_is_the_picture_that_was_prepared(cbis: Index, tmp_path: Path, crop: str) -> None:
    sample = Input(unit="lesion", crop=crop)
    rows = rows_of(cbis, unit="lesion", crop=crop).head(4)
    settings = Preprocess(rows=48, cols=40)
    done = prepare(rows, roots=cbis.roots, preprocess=settings, folder=tmp_path, workers=0, sample=sample)

    for row, file in zip(rows.to_dicts(), done["file"], strict=True):
        again, outlines = read_again(row, index=cbis, preprocess=settings, sample=sample)

        np.testing.assert_array_equal(to_grey(again.pixels, bits=16), np.load(tmp_path / file))
        assert [bool(outlines), again.geometry] == [crop == "box", geometry_of(tmp_path / file)]
        for outline in outlines:  # a quarter of the box as air on each side: the lesion takes the middle
            assert outline.min() >= 0
            assert np.abs(outline.mean(axis=0) - (20, 24)).max() < 8


def test_the_command_prepares_lesions(cbis: Index, tmp_path: Path) -> None:
    from mammoscope.records import write_index

    write_index(cbis, tmp_path / "index.parquet")
    (tmp_path / "crops.toml").write_text(
        'name = "crops"\nsource = "cbis_ddsm"\n[input]\nunit = "lesion"\ncrop = "file"\n'
        "[preprocess]\nrows = 32\ncols = 32\n"
    )
    words = ["prepare", tmp_path / "crops.toml", tmp_path / "index.parquet", "--cache", tmp_path / "c", "--workers", 0]

    done = CliRunner().invoke(app, [str(word) for word in words])

    lesions = cbis.table["lesion_id"].count()
    assert done.exit_code == 0, done.output
    assert f"{lesions} prepared, 0 failed" in done.output


def test_a_recipe_that_cuts_what_is_no_lesion_is_refused() -> None:
    with pytest.raises(ValueError, match="crop: only for unit = 'lesion', and unit is 'breast'"):
        Input(unit="breast", crop="file")
