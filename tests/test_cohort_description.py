"""A data set in numbers: counts that agree with the records, and files that are missing."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mammoscope.cohort import describe, image_classes, image_sizes
from mammoscope.errors import ImageError
from mammoscope.images import size_of
from mammoscope.records import READER_COLUMNS, Record, index_of
from mammoscope.vocabulary import Density, LabelOrigin, LesionKind, Pathology, View

HERE = {"own": Path()}


def finding(image: str, lesion: str | None = "1", **facts: object) -> Record:
    own = {"source": "own", "patient_id": image[0], "image_id": image, "path": f"{image}.png", "lesion_id": lesion}
    return Record(**(own | facts))  # type: ignore[arg-type]


def png(folder: Path, name: str, *, rows: int = 40, cols: int = 30) -> None:
    Image.fromarray(np.arange(rows * cols, dtype=np.uint16).reshape(rows, cols).astype(np.uint8)).save(folder / name)


def test_an_image_has_the_worst_class_of_its_findings() -> None:
    index = index_of(
        [
            finding("a", "1", malignant=False, pathology=Pathology.BENIGN_WITHOUT_CALLBACK),
            finding("a", "2", malignant=False, pathology=Pathology.BENIGN),
            finding("b", "1", malignant=False, pathology=Pathology.BENIGN),
            finding("b", "2", malignant=True, pathology=Pathology.MALIGNANT),
            finding("c", None, malignant=False),
            finding("d", "1", malignant=False),
            finding("d", "2"),
        ],
        roots=HERE,
    )

    classes = dict(image_classes(index).sort("image_id").select("image_id", "class").iter_rows())

    assert classes == {"a": "benign", "b": "malignant", "c": "not malignant", "d": "unknown"}


def test_tables_count_images_and_lesions_apart() -> None:
    facts = {"malignant": True, "pathology": Pathology.MALIGNANT, "view": View.CC, "density": Density.B}
    index = index_of(
        [
            finding("a", "1", lesion_kind=LesionKind.MASS, label_origin=LabelOrigin.BIOPSY, **facts),
            finding("a", "2", lesion_kind=LesionKind.CALCIFICATION, label_origin=LabelOrigin.BIOPSY, **facts),
            finding("b", None, malignant=False, pathology=Pathology.NORMAL),
        ],
        roots=HERE,
    )

    found = describe(index)

    assert found["view_by_class"] == {
        "rows": ["CC", "unknown"],
        "columns": ["malignant", "normal"],
        "counts": [[1, 0], [0, 1]],
    }
    assert found["density_by_class"]["counts"] == [[1, 0], [0, 1]]
    assert found["lesions"]["kind_by_class"]["counts"] == [[1], [1]]
    assert (found["lesions"]["count"], found["lesions"]["images"]) == (2, 1)
    assert found["age_by_class"] is None
    assert found["machines"] == []


def test_masses_are_counted_by_shape_and_margins_the_commonest_first_and_unknown_last() -> None:
    mass = {"lesion_kind": LesionKind.MASS}
    oval = mass | {"lesion_shape": "OVAL", "malignant": False, "pathology": Pathology.BENIGN}
    index = index_of(
        [
            finding("a", "1", lesion_shape="IRREGULAR", malignant=True, pathology=Pathology.MALIGNANT, **mass),
            finding("b", "1", **oval),
            finding("c", "1", lesion_margins="SPICULATED", **oval),
            finding("d", "1", malignant=False, pathology=Pathology.BENIGN, **mass),
            finding("e", "1", lesion_kind=LesionKind.CALCIFICATION, calc_type="PLEOMORPHIC", malignant=True),
            finding("f", None, malignant=False, pathology=Pathology.NORMAL),
        ],
        roots=HERE,
    )

    found = describe(index)["lesions"]

    assert found["shape_by_class"] == {
        "rows": ["OVAL", "IRREGULAR", "unknown"],
        "columns": ["malignant", "benign"],
        "counts": [[0, 2], [1, 0], [0, 1]],
    }
    assert found["margins_by_class"]["rows"] == ["SPICULATED", "unknown"]
    assert describe(index_of([finding("a", "1", **mass)], roots=HERE))["lesions"]["shape_by_class"] is None


@given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sampled_from([True, False, None])), min_size=1, max_size=12))
def test_every_image_is_counted_once_in_each_table(rows: list[tuple[str, bool | None]]) -> None:
    index = index_of([finding(i, str(n), malignant=m) for n, (i, m) in enumerate(rows)], roots=HERE)

    found = describe(index)

    images = len({image for image, _ in rows})
    assert found["summary"]["images"] == images
    for name in ("view_by_class", "label_origin_by_class"):
        assert sum(map(sum, found[name]["counts"])) == images
    malignant = len({image for image, m in rows if m})
    columns = found["view_by_class"]["columns"]
    counts = dict(zip(columns, np.sum(found["view_by_class"]["counts"], axis=0), strict=True))
    assert counts.get("malignant", 0) == malignant == found["summary"]["malignant"]


def test_reader_columns_are_marked_and_missing_values_counted() -> None:
    index = index_of([finding("a", assessment=4), finding("b")], roots=HERE)

    columns = {row["name"]: row for row in describe(index)["columns"]}

    assert {name for name, row in columns.items() if row["reader"]} == set(READER_COLUMNS)
    assert (columns["assessment"]["known"], columns["assessment"]["missing"]) == (1, 1)


def test_ages_and_machines_are_counted_by_patient_and_image() -> None:
    index = index_of(
        [
            finding("a1", None, age_years=52.0, machine_id="X", malignant=True),
            finding("a2", None, age_years=53.0, machine_id="X", malignant=False),
            finding("b1", None, age_years=61.0, machine_id="Y", malignant=False),
            finding("c1", None, machine_id=None, malignant=None),
        ],
        roots=HERE,
    )

    found = describe(index)

    assert found["age_by_class"] == {
        "edges": [50, 55, 60, 65],
        "malignant": [1, 0, 0],
        "other": [0, 0, 1],
        "patients": 3,
        "unknown": 1,
    }
    assert [(row["name"], row["images"], row["patients"], row["malignant"]) for row in found["machines"]] == [
        ("X", 2, 1, 1),
        ("Y", 1, 1, 0),
        ("unknown", 1, 1, 0),
    ]


def dicom(path: Path, *, spacing: list[float] | None) -> None:
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = DigitalMammographyXRayImageStorageForPresentation
    dataset.file_meta.MediaStorageSOPInstanceUID = "1.2.3"
    dataset.SOPClassUID, dataset.SOPInstanceUID = DigitalMammographyXRayImageStorageForPresentation, "1.2.3"
    dataset.Rows, dataset.Columns = 400, 300
    if spacing is not None:
        dataset.ImagerPixelSpacing = spacing
    dataset.save_as(path, enforce_file_format=True)


def test_a_dicom_header_alone_says_size_and_spacing(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", spacing=[0.1, 0.1])

    found = size_of(tmp_path / "a.dcm")

    assert (found.rows, found.cols, found.spacing_mm) == (400, 300, (0.1, 0.1))


@pytest.mark.parametrize(("content", "code"), [(b"", "empty"), (b"not a picture", "not_an_image")])
def test_a_file_without_a_size_says_why(content: bytes, code: str, tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(content)

    with pytest.raises(ImageError) as error:
        size_of(tmp_path / "a.png")

    assert error.value.code == code


def test_lesions_are_measured_in_mm_where_the_spacing_is_known_and_by_their_crop_without_a_box(tmp_path: Path) -> None:
    dicom(tmp_path / "a.dcm", spacing=[0.1, 0.2])
    png(tmp_path, "b.png", rows=200, cols=100)
    png(tmp_path, "crop.png", rows=20, cols=10)
    mass = {"lesion_kind": LesionKind.MASS, "malignant": True}
    index = index_of(
        [
            finding("a", path="a.dcm", lesion_x0=0.0, lesion_y0=0.0, lesion_x1=50.0, lesion_y1=60.0, **mass),
            finding("b", crop_path="crop.png", **mass),
        ],
        roots={"own": tmp_path},
    )

    found = describe(index, sizes=image_sizes(index))["lesions"]

    by_unit = {row["unit"]: (row["n"], row["min"], row["max"]) for row in found["sizes"]}
    assert by_unit["mm"] == (1, pytest.approx(10.0), pytest.approx(10.0))  # 50 columns of 0.2 mm
    assert by_unit["share"] == (2, pytest.approx(0.1), pytest.approx(0.15))
    assert by_unit["px"] == (2, 20.0, 60.0)
    assert (found["unit"], found["sized"], found["from_crops"]) == ("mm", 2, 1)


def test_headers_are_drawn_by_seed_and_missing_files_are_counted(tmp_path: Path) -> None:
    for name in "abcde":
        png(tmp_path, f"{name}.png")
    (tmp_path / "e.png").unlink()
    index = index_of([finding(name, None) for name in "abcde"], roots={"own": tmp_path})

    all_of_them, some = image_sizes(index), image_sizes(index, limit=2, seed=1)

    found = describe(index, sizes=all_of_them)["image_sizes"]
    assert found["shapes"] == [{"source": "own", "rows": 40, "cols": 30, "n": 4}]
    assert [(row["code"], row["n"]) for row in found["failed"]] == [("missing", 1)]
    assert some.images.height == 2
    assert some.images.equals(image_sizes(index, limit=2, seed=1).images)
    assert describe(index, sizes=some)["image_sizes"]["looked_at"] == 2


def test_a_data_set_of_which_nothing_is_known_is_described() -> None:
    index = index_of([finding("a", None)], roots=HERE)

    found = describe(index, sizes=image_sizes(index))

    assert found["view_by_class"] == {"rows": ["unknown"], "columns": ["unknown"], "counts": [[1]]}
    assert found["lesions"]["kind_by_class"] is None
