"""A folder laid out like CBIS-DDSM: same tables, same files, same oddities, exact truth."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pytest
from pydicom import dcmread

from mammoscope.errors import RecipeError
from mammoscope.phantom import ideal_auc, write_cbis_ddsm
from mammoscope.phantom.exam import draw_patient
from mammoscope.phantom.writing import official_parts
from mammoscope.sources import SOURCES, build_index
from mammoscope.vocabulary import Part

MASS_HEADER = (  # of the archive's own files
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,"
    "mass margins,assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\r\n"
)
CALC_HEADER = (
    MASS_HEADER.replace("breast_density", "breast density")
    .replace("mass ", "calc ")
    .replace("calc shape,calc margins", "calc type,calc distribution")
)
TRAIN, TEST = "mass_case_description_train_set.csv", "mass_case_description_test_set.csv"
SMALL = {"patients": 8, "seed": 5, "rows": 128}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parent") / "phantom"
    write_cbis_ddsm(folder, **SMALL)  # type: ignore[arg-type]
    return folder


def truth_of(folder: Path) -> list[dict[str, str]]:
    with (folder / "phantom_truth.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes_in_any_number_of_processes(written: Path, tmp_path: Path) -> None:
    write_cbis_ddsm(tmp_path / "again", workers=2, **SMALL)  # type: ignore[arg-type]

    assert digests(tmp_path / "again") == digests(written)


def test_another_seed_gives_other_files(written: Path, tmp_path: Path) -> None:
    write_cbis_ddsm(tmp_path / "other", patients=2, seed=6, rows=128)

    assert not {name for name in digests(tmp_path / "other") if name.endswith(".dcm")} & set(digests(written))


def test_the_tables_look_like_the_archives(written: Path) -> None:
    for name in (TRAIN, TEST):
        text = (written / name).read_bytes().decode()
        rows = list(csv.DictReader(text.splitlines(keepends=True)))

        assert text.startswith(MASS_HEADER)
        assert all(row["ROI mask file path"].endswith(".dcm\n") for row in rows)  # a line break inside the cell
        assert {row["left or right breast"] for row in rows} <= {"LEFT", "RIGHT"}
        assert {row["pathology"] for row in rows} <= {"MALIGNANT", "BENIGN", "BENIGN_WITHOUT_CALLBACK"}
        prefix = "Mass-Test" if name == TEST else "Mass-Training"
        for row in rows:
            subject = f"{prefix}_{row['patient_id']}_{row['left or right breast']}_{row['image view']}"
            folder, study, series, file = row["image file path"].split("/")
            assert (folder, file) == (subject, "000000.dcm")
            assert study.startswith("2.25.")
            assert series.startswith("2.25.")
            assert row["cropped image file path"].startswith(f"{subject}_1/")


def test_calcifications_have_their_own_tables_and_folders(tmp_path: Path) -> None:
    folder = tmp_path / "phantom"
    write_cbis_ddsm(folder, patients=6, seed=5, rows=256, calcifications=0.5)
    kinds = {row["lesion_id"] for row in truth_of(folder)}
    text = (folder / "calc_case_description_train_set.csv").read_bytes().decode()
    row = next(csv.DictReader(text.splitlines(keepends=True)))

    table = build_index(SOURCES["cbis_ddsm"], folder).table

    assert kinds == {"mass-1", "calcification-1"}
    assert text.startswith(CALC_HEADER)
    assert row["cropped image file path"].endswith(".dcm\n")  # in this table the line break is here
    assert row["image file path"].startswith("Calc-Training_")
    truth = {row["mask"]: row for row in truth_of(folder)}
    assert set(table["mask_path"]) == set(truth)
    for found in truth.values():
        y, x = np.nonzero(dcmread(folder / found["mask"]).pixel_array)
        assert (x.mean(), y.mean()) == pytest.approx((float(found["x_px"]), float(found["y_px"])), abs=0.01)
        assert (found["spiculation"] == "") is (found["pleomorphism"] != "")


@pytest.mark.data
def test_the_header_is_that_of_the_real_tables(real_data: Path) -> None:
    for name in (TRAIN, TEST):
        first = (real_data / "cbis_ddsm_csv" / name).read_bytes().split(b"\n")[0]

        assert first.decode().strip() == MASS_HEADER.strip()
        calc = (real_data / "cbis_ddsm_csv" / name.replace("mass", "calc")).read_bytes().split(b"\n")[0]
        assert calc.decode().strip() == CALC_HEADER.strip()


@pytest.mark.parametrize(("patients", "test"), [(2, 1), (4, 1), (20, 4), (203, 41)])
def test_a_fifth_of_the_patients_are_the_test_set(patients: int, test: int) -> None:
    people = [draw_patient(number, seed=1, difficulty=0.3) for number in range(1, patients + 1)]

    parts = official_parts(people, 1)

    assert parts.count(Part.TEST) == pytest.approx(test, abs=1)
    assert 0 < parts.count(Part.TEST) < len(parts) == patients


def test_the_official_test_set_has_both_labels_in_the_same_share() -> None:
    people = [draw_patient(number, seed=1, difficulty=0.3) for number in range(1, 101)]

    parts = official_parts(people, 1)
    malignant = [person.malignant for person, part in zip(people, parts, strict=True) if part is Part.TEST]

    assert np.mean(malignant) == pytest.approx(np.mean([person.malignant for person in people]), abs=0.06)


def test_a_patient_is_on_one_side_only(written: Path) -> None:
    sides = {(row["patient_id"], row["part"]) for row in truth_of(written)}

    assert len(sides) == len({patient for patient, _ in sides}) == SMALL["patients"]


def test_every_file_is_readable_and_of_its_kind(written: Path) -> None:
    for row in truth_of(written):
        image, mask, crop = (dcmread(written / row[name]) for name in ("image", "mask", "crop"))

        assert {found.Modality for found in (image, mask, crop)} == {"MG"}
        assert {found.PhotometricInterpretation for found in (image, mask, crop)} == {"MONOCHROME2"}
        assert image.PatientID == row["image"].split("/")[0]
        assert (image.BitsAllocated, mask.BitsAllocated, crop.BitsAllocated) == (16, 8, 16)
        assert image.pixel_array.shape == mask.pixel_array.shape
        assert crop.pixel_array.size < image.pixel_array.size
        assert set(np.unique(mask.pixel_array)) == {0, 255}
        assert image.StudyInstanceUID == row["image"].split("/")[1]
        assert image.SeriesInstanceUID == row["image"].split("/")[2]


def test_uids_are_unique(written: Path) -> None:
    uids = [dcmread(path, stop_before_pixels=True).SOPInstanceUID for path in written.rglob("*.dcm")]

    assert len(set(uids)) == len(uids) == 3 * len(truth_of(written))


def test_the_truth_equals_the_masks(written: Path) -> None:
    for row in truth_of(written):
        pixels = dcmread(written / row["image"]).pixel_array
        mask = dcmread(written / row["mask"]).pixel_array > 0
        y, x = np.nonzero(mask)
        spacing = float(row["spacing_mm"])

        assert (x.mean(), y.mean()) == pytest.approx((float(row["x_px"]), float(row["y_px"])), abs=0.01)
        assert 2 * np.sqrt(mask.sum() / np.pi) * spacing == pytest.approx(float(row["diameter_mm"]), rel=0.1)
        assert (pixels[mask] > 1000).mean() > 0.9  # inside the breast


def test_the_crop_is_a_piece_of_the_picture_around_the_mask(written: Path) -> None:
    row = truth_of(written)[0]
    pixels, crop = (dcmread(written / row[name]).pixel_array for name in ("image", "crop"))
    y, x = np.nonzero(dcmread(written / row["mask"]).pixel_array)

    windows = np.lib.stride_tricks.sliding_window_view(pixels, crop.shape)
    top, left = (int(place[0]) for place in np.nonzero((windows == crop).all(axis=(2, 3))))

    assert top <= y.min()
    assert left <= x.min()
    assert top + crop.shape[0] > y.max()
    assert left + crop.shape[1] > x.max()


def test_both_views_of_a_lesion_agree(written: Path) -> None:
    lesions: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in truth_of(written):
        lesions.setdefault((row["patient_id"], row["laterality"]), []).append(row)

    for cranio, oblique in lesions.values():
        assert (cranio["view"], oblique["view"]) == ("CC", "MLO")
        for name in ("depth_mm", "diameter_mm", "spiculation", "malignant", "density", "part"):
            assert cranio[name] == oblique[name]


def test_the_reader_of_the_archive_finds_every_mask_despite_the_oddities(tmp_path: Path) -> None:
    folder = tmp_path / "phantom"
    write_cbis_ddsm(folder, patients=16, seed=2, rows=128)
    truth = {row["image"]: row for row in truth_of(folder)}

    table = build_index(SOURCES["cbis_ddsm"], folder).table

    assert {row["quirk"] for row in truth.values()} == {"none", "swapped", "two series", "misdescribed"}
    assert table.height == len(truth)
    for found in table.iter_rows(named=True):
        row = truth[found["path"]]
        assert (found["mask_path"], found["crop_path"]) == (row["mask"], row["crop"])
        assert found["malignant"] is (row["malignant"] == "1")
        assert found["density"] == row["density"]
        assert found["official_part"] == Part(row["part"]).value


def test_the_marker_states_the_settings_and_the_best_auc(written: Path) -> None:
    marker = json.loads((written / "phantom.json").read_text())

    assert {name: marker[name] for name in SMALL} == SMALL
    assert marker["ideal_auc"] == pytest.approx(ideal_auc(marker["difficulty"]), abs=1e-4)


def test_progress_counts_patients(tmp_path: Path) -> None:
    seen: list[tuple[int, int]] = []

    write_cbis_ddsm(tmp_path / "p", patients=3, rows=128, progress=lambda done, total: seen.append((done, total)))

    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_an_earlier_phantom_is_replaced_whole(tmp_path: Path) -> None:
    folder = tmp_path / "phantom"
    write_cbis_ddsm(folder, patients=4, rows=128)
    (folder / "phantom_truth.csv").unlink()  # as after a kill

    write_cbis_ddsm(folder, patients=2, rows=128, seed=3)

    assert {row["patient_id"] for row in truth_of(folder)} == {"P_00001", "P_00002"}
    assert len(list(folder.rglob("*.dcm"))) == 3 * len(truth_of(folder))


def test_a_folder_with_anything_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")

    with pytest.raises(RecipeError, match=r"holds 'thesis\.txt', so it is not just a phantom"):
        write_cbis_ddsm(tmp_path, patients=2, rows=128)

    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_real_data_without_the_marker_is_left_alone(tmp_path: Path) -> None:
    real = tmp_path / "Mass-Training_P_00001_LEFT_CC"
    real.mkdir()

    with pytest.raises(RecipeError, match="not just a phantom"):
        write_cbis_ddsm(tmp_path, patients=2, rows=128)

    assert real.is_dir()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"patients": 1}, "patients 1 is not from 2 to 99999"),
        ({"seed": -1}, "seed -1 is below 0"),
        ({"rows": 10}, "rows 10 is not from 128 to 4096"),
        ({"difficulty": 1.5}, "difficulty 1.5 is not from 0 to 1"),
        ({"contrast": 9.0}, "contrast 9.0 is not above 0 and up to 3"),
        ({"calcifications": 2.0}, "calcifications 2.0 is not from 0 to 1"),
        ({"wear": -0.1}, "wear -0.1 is not from 0 to 1"),
        ({"workers": 0}, "workers 0 is below 1"),
    ],
)
def test_nonsense_is_refused_before_anything_is_written(
    tmp_path: Path, arguments: dict[str, object], message: str
) -> None:
    with pytest.raises(RecipeError, match=message):
        write_cbis_ddsm(tmp_path / "phantom", **arguments)  # type: ignore[arg-type]

    assert not (tmp_path / "phantom").exists()
