"""Near copies are found without comparing all with all; readers, tags, repairs and the numbers of CBIS-DDSM."""

import csv
import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from dying import die_of_three
from mammoscope.cli import app
from mammoscope.cohort import Findings, audit, read_pixels, reader_anchor, repair, write_repair
from mammoscope.cohort.audit_names import name_findings
from mammoscope.cohort.near_copies import MOST_BITS, near_copies
from mammoscope.errors import SourceError
from mammoscope.images import survey
from mammoscope.records import Index, Record, image_table, index_of, read_index, write_index
from mammoscope.sources import CBIS_DDSM, CBIS_DDSM_JPEG, RSNA, build_index
from mammoscope.vocabulary import Laterality, LesionKind, Part, View
from mammoscope.workers.many import over_files

ONE = Record(source="own", patient_id="p", image_id="a", path="a.png", malignant=False)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(0, 40), st.integers(2, 60))
def test_no_pair_within_the_distance_is_missed(seed: int, flips: int, count: int) -> None:
    generator = np.random.default_rng(seed)
    bits = generator.integers(0, 2, (count, 256))
    bits[1::2] = bits[: count // 2 * 2 : 2]
    for row in bits[1::2]:
        row[generator.choice(256, flips, replace=False)] ^= 1
    signs = np.packbits(bits.astype(np.uint8), axis=1)
    thumbs = np.repeat(generator.integers(-9, 9, (1, 1024), dtype=np.int8), count, axis=0)

    first, second = near_copies(signs, thumbs)

    every = {(a, b) for b in range(count) for a in range(b) if (bits[a] != bits[b]).sum() <= MOST_BITS}
    assert set(zip(first.tolist(), second.tolist(), strict=True)) == every


def test_pictures_alike_in_signs_only_are_no_copies() -> None:
    generator = np.random.default_rng(0)
    signs = np.zeros((2, 32), dtype=np.uint8)

    first, _ = near_copies(signs, generator.integers(-9, 9, (2, 1024), dtype=np.int8))

    assert first.size == 0


def test_a_file_that_kills_its_process_costs_only_itself() -> None:
    assert sorted(over_files(die_of_three, [1, 3], crashed=lambda job, _: -job, workers=2)) == [-3, 1]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 6), st.booleans()), min_size=2, max_size=40))
def test_the_readers_area_is_that_of_scikit_learn(rows: list[tuple[int, bool]]) -> None:
    records = [
        replace(ONE, image_id=str(n), path=f"{n}.png", assessment=value, malignant=malignant)
        for n, (value, malignant) in enumerate(rows)
    ]

    found = reader_anchor(index_of(records, roots={"own": Path()}))

    labels = [malignant for _, malignant in rows]
    if len(set(labels)) < 2:
        assert found == []
    else:
        assert found[0].auc == pytest.approx(roc_auc_score(labels, [value for value, _ in rows]))


def test_an_incomplete_assessment_ranks_between_three_and_four() -> None:
    rows = [(3, False), (0, True), (4, True), (0, False)]
    records = [
        replace(ONE, image_id=str(n), path=f"{n}.png", assessment=value, malignant=malignant, official_part=Part.TEST,
                lesion_id="1", lesion_kind=LesionKind.MASS)
        for n, (value, malignant) in enumerate(rows)
    ]  # fmt: skip

    (found,) = reader_anchor(index_of(records, roots={"own": Path()}))

    assert (found.part, found.kind, found.findings, found.malignant, found.auc) == (Part.TEST, "all", 4, 2, 3.5 / 4)


def dicom(path: Path, **header: object) -> None:
    y, x = np.mgrid[:120, :80]
    picture = np.where(np.hypot(y - 60, x) < 55, 900 + 3 * y, 20).astype(np.uint16)
    file = Dataset()
    file.file_meta = FileMetaDataset()
    file.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    file.SOPClassUID, file.SOPInstanceUID = DigitalMammographyXRayImageStorageForPresentation, "1.2.3"
    file.Modality, file.PhotometricInterpretation = "MG", "MONOCHROME2"
    file.Rows, file.Columns = picture.shape
    file.BitsAllocated, file.BitsStored, file.HighBit, file.PixelRepresentation, file.SamplesPerPixel = 16, 12, 11, 0, 1
    for name, value in header.items():
        setattr(file, name, value)
    file.PixelData = picture.tobytes()
    file.save_as(path, enforce_file_format=True)


@pytest.mark.parametrize(
    ("path", "checks"),
    [
        ("a/LEFT_CC/1.png", ["laterality-in-name"]),
        ("a/x_L_MLO.png", ["laterality-in-name", "view-in-name"]),
        ("RCC.png", []),
        ("right-cc.png", []),
        ("left/right.png", []),
        ("LEFT/a/b.png", []),
        ("Mass-Training_P_1_LEFT_CC/1-1.dcm", ["laterality-in-name"]),
        ("L2/cclm.png", []),
        ("l_mlop.png", []),
        ("img_LMLO", ["laterality-in-name", "view-in-name"]),
    ],
)
def test_names_are_read_by_whole_words(path: str, checks: list[str]) -> None:
    one = replace(ONE, path=path, laterality=Laterality.RIGHT, view=View.CC)

    found = audit(index_of([one], roots={"own": Path()}), files=False)

    assert [check for check in found.table["check"] if check.endswith("-in-name")] == checks


def seen(index: Index) -> Findings:
    return audit(index, pixels=read_pixels(index, workers=0))


def said(found: Findings, check: str) -> str:
    return " ".join(found.table.filter(pl.col("check") == check)["message"])


def test_tags_fill_what_the_table_leaves_empty_and_contradict_what_it_says(tmp_path: Path) -> None:
    for name in "ab":
        dicom(tmp_path / f"{name}.dcm", ImageLaterality="L", ViewPosition="CC", PatientID=name)
    records = [
        replace(ONE, path="a.dcm"),
        replace(ONE, patient_id="q", image_id="b", path="b.dcm", laterality=Laterality.LEFT, view=View.MLO),
    ]
    index = index_of(records, roots={"own": tmp_path})

    found = seen(index)
    mended, changes = repair(index, findings=found)

    assert "own/a: the table gives no laterality, its header says L" in said(found, "laterality-in-tags")
    assert "own/b: its header says view CC, the table MLO" in said(found, "view-in-tags")
    assert [one.change for one in changes] == ["laterality = L", "view = CC"]
    assert mended.table["laterality"].to_list() == ["L", "L"]
    assert mended.table["view"].to_list() == ["CC", "MLO"]


@pytest.mark.parametrize(
    ("photometric", "words"), [("MONOCHROME1", "background is dark, and its header says"), (None, "")]
)
def test_a_header_that_inverts_a_dark_background_is_told(tmp_path: Path, photometric: str | None, words: str) -> None:
    dicom(tmp_path / "a.dcm", **({"PhotometricInterpretation": photometric} if photometric else {}))

    found = seen(index_of([replace(ONE, path="a.dcm")], roots={"own": tmp_path}))

    assert words in said(found, "inverted-background")
    assert bool(words) == ("inverted-background" in found.table["check"])


def test_a_machine_that_mirrors_is_one_finding_and_one_odd_picture_of_another_is_named(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", PatientID="x")
    content = (tmp_path / "a.dcm").read_bytes()
    records = []
    for n in range(40):
        (tmp_path / f"{n}.dcm").write_bytes(content)
        mirrored = n % 2 == 0 and n < 20
        records.append(
            replace(ONE, patient_id=f"p{n}", image_id=f"{n}", path=f"{n}.dcm", machine_id="7" if n < 20 else "8",
                    laterality=Laterality.RIGHT if mirrored or n == 33 else Laterality.LEFT)
        )  # fmt: skip

    found = seen(index_of(records, roots={"own": tmp_path}))

    sides = found.table.filter(pl.col("check") == "side-in-pixels")
    assert sides["image_id"].to_list() == ["33", None]
    assert "own: 10 of 20 pictures of machine 7 show the chest wall on the other side" in sides["message"][1]


def test_a_repair_is_logged_and_the_old_index_stays(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.tile(np.arange(100, dtype=np.uint8), (100, 1)))
    index = index_of([ONE, replace(ONE, image_id="b", path="b.png")], roots={"own": tmp_path})
    write_index(index, tmp_path / "index.parquet")
    before = (tmp_path / "index.parquet").read_bytes()

    new, log, changes = write_repair(index, findings=audit(index), path=tmp_path / "index.parquet")

    facts = json.loads(log.read_text())
    assert (new.name, log.name, len(changes)) == ("index.fixed.parquet", "index.fixed.json", 1)
    assert read_index(new).table["image_id"].to_list() == ["a"]
    assert (facts["records"], facts["changes"][0]["check"]) == ({"before": 2, "after": 1}, "missing-file")
    assert {row["check"] for row in facts["not_fixed"]} == {"few-patients"}
    assert (tmp_path / "index.parquet").read_bytes() == before


def test_a_repair_never_drops_everything(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    index = index_of([ONE], roots={"own": tmp_path})

    with pytest.raises(SourceError, match=r"all 1 images would be dropped\. See what the audit says.*--root"):
        repair(index, findings=audit(index))


def test_the_verb_reads_pictures_repairs_and_prints_a_few_of_a_kind(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.tile(np.arange(100, dtype=np.uint8), (100, 1)))
    missing = [replace(ONE, image_id=f"m{n}", path=f"m{n}.png") for n in range(9)]
    write_index(index_of([ONE, *missing], roots={"own": tmp_path}), tmp_path / "index.parquet")

    done = CliRunner().invoke(app, ["audit", str(tmp_path / "index.parquet"), "--pixels", "--fix", "--workers", "0"])
    every = CliRunner().invoke(app, ["audit", str(tmp_path / "index.parquet"), "--all"])

    assert done.exit_code == every.exit_code == 1
    assert (done.stdout.count("is not there"), every.stdout.count("is not there")) == (5, 9)
    assert "and 4 more: --all prints them" in done.stdout
    assert "9 changes in index.fixed.parquet, each explained in index.fixed.json" in done.stdout


def test_the_width_asked_for_decides_whether_patients_are_too_few(tmp_path: Path) -> None:
    records = [
        replace(ONE, patient_id=f"{n}", image_id=f"{n}", path=f"{n}.png", malignant=n % 2 == 0) for n in range(400)
    ]
    index = index_of(records, roots={"own": tmp_path})

    narrow, wide = audit(index, files=False, width=0.05), audit(index, files=False, width=0.1)

    assert "not 0.05. That takes about 3" in said(narrow, "few-patients")
    assert "within the 0.1 asked for" in said(wide, "interval-width")


CBIS = {
    "counts": "3568 lesions in 3103 image rows (an image once for each kind of lesion), 3032 distinct images, 1566",
    "mixed-labels": "33 images have malignant and other findings. Such an image is malignant here; a rule that keeps "
    "its first row, in the order of the tables, calls 25 of them not malignant",
    "lesion-numbers": "92 images have no lesion number 1 of their kind",
    "several-kinds": "71 images have lesions of more than one kind",
    "official-leak": "31 patients are on both sides of the published split, with 60 test findings (18 train "
    "calcification / test mass, 13 train mass / test calcification; none of them within one kind of lesion)",
    "assessment-auc": "AUC 0.832 mass (n 378), 0.745 calcification (n 326), 0.790 in all (n 704) on the published test",
}


@pytest.mark.data
def test_the_audit_prints_each_number_of_cbis_ddsm(real_data: Path) -> None:
    found = audit(build_index(CBIS_DDSM, real_data / "cbis_ddsm_csv"), files=False)

    assert {check: words in said(found, check) for check, words in CBIS.items()} == dict.fromkeys(CBIS, True)
    assert set(found.table.filter(pl.col("check") == "lesion-labels")["patient_id"]) == {"P_00419", "P_01623"}
    assert not set(found.table["check"]) & {"laterality-in-name", "view-in-name"}
    assert found.table.filter(pl.col("check") == "density-conflict")["patient_id"].to_list() == ["P_01264"]


@pytest.mark.data
def test_the_audit_names_the_one_crop_of_the_jpeg_edition_that_is_nowhere(real_data: Path, tmp_path: Path) -> None:
    (tmp_path / "csv").mkdir()
    tables = sorted((real_data / "cbis_ddsm_csv").glob("*_set.csv"))
    full, masks = set(), set()
    for table in tables:
        shutil.copyfile(table, tmp_path / "csv" / table.name)
        with table.open(newline="") as file:
            for row in csv.DictReader(file):
                full.add(row["image file path"].split("/")[-2])
                masks.add(row["ROI mask file path"].split("/")[-2])
    files: dict[str, list[str]] = {}
    for series, name in pl.read_csv(real_data / "cbis_ddsm_csv" / "kaggle_jpeg_files.csv", infer_schema=False).rows():
        files.setdefault(series, []).append(name)
    crop = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (10, 10), dtype=np.uint8))[1].tobytes()
    whole = cv2.imencode(".jpg", np.random.default_rng(0).integers(0, 255, (20, 20), dtype=np.uint8))[1].tobytes()
    mask = cv2.imencode(".jpg", np.zeros((20, 20), dtype=np.uint8))[1].tobytes()
    for series, names in files.items():
        (tmp_path / "jpeg" / series).mkdir(parents=True)
        alone = mask if series in masks else crop
        contents = [whole] * 9 if series in full else [alone] if len(names) == 1 else [mask, crop]
        for name, content in zip(sorted(names), contents, strict=False):
            (tmp_path / "jpeg" / series / name).write_bytes(content)

    found = audit(build_index(CBIS_DDSM_JPEG, tmp_path))

    missing = found.table.filter(pl.col("check").is_in(["missing-crops", "missing-file"]))
    assert missing["image_id"].to_list() == ["P_01563_RIGHT_MLO"]
    assert "the crop of lesion calcification-2" in missing["message"][0]
    assert {check: words in said(found, check) for check, words in CBIS.items()} == dict.fromkeys(CBIS, True)


@pytest.mark.data
def test_a_real_picture_is_known_again_and_two_real_pictures_are_apart(real_data: Path, tmp_path: Path) -> None:
    original = real_data / "mini_mias" / "mdb001.png"
    picture = cv2.imread(str(original), cv2.IMREAD_GRAYSCALE)
    changed = {
        "half.png": cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
        "mirror.png": picture[:, ::-1],
        "negative.png": 255 - picture,
        "poor.jpg": picture,
    }
    for name, one in changed.items():
        cv2.imwrite(str(tmp_path / name), one, [cv2.IMWRITE_JPEG_QUALITY, 40])
    paths = [original, *(tmp_path / name for name in changed), real_data / "mini_mias" / "mdb002.png"]

    found = [survey(path) for path in paths]
    first, second = near_copies(np.stack([one.signs for one in found]), np.stack([one.thumb for one in found]))

    assert set(zip(first.tolist(), second.tolist(), strict=True)) == {(a, b) for b in range(5) for a in range(b)}


@pytest.mark.data
def test_inverted_pictures_of_real_data_are_found_without_their_tags(real_data: Path) -> None:
    every = build_index(RSNA, real_data / "rsna_jpeg640")
    chosen = every.table.sort("image_id").group_by("machine_id", maintain_order=True).head(12)
    index = Index(table=chosen.select(every.table.columns), roots=every.roots)

    assert not set(audit(every, files=False).table["check"]) & {"laterality-in-name", "view-in-name"}
    pixels = read_pixels(index).table.join(image_table(index), on=["source", "image_id"])

    bright = pixels.filter(pl.col("machine_id").is_in(["29", "210"]))
    assert bright["looks_inverted"].all()
    assert not pixels.filter(~pl.col("machine_id").is_in(["29", "210"]))["looks_inverted"].any()


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("a/1f43cc34.dcm", None),
        ("a/9cc", None),
        ("a/LEFT_CC_1/1-1.dcm", "CC"),
        ("a/x-cc2.png", "CC"),
        ("b/RMLO.png", "MLO"),
    ],
)
def test_a_view_is_a_word_of_a_name_and_not_a_piece_of_a_hexadecimal_one(path: str, said: str | None) -> None:
    row = {"source": "own", "patient_id": "1", "image_id": "a", "path": path, "laterality": None}
    other = {"CC": "MLO", "MLO": "CC", None: "MLO"}[said]

    found = list(name_findings(pl.DataFrame([row | {"view": other}])))

    assert [one.check for one in found] == ([] if said is None else ["view-in-name"])
