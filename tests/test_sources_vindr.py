"""VinDr-Mammo: reader labels, boxes, and planted faults that are all found."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import VINDR, build_index

BREASTS = "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split"
FINDINGS = "image_id,finding_categories,finding_birads,xmin,ymin,xmax,ymax"
METADATA = "SOP Instance UID,Patient's Age,Manufacturer's Model Name"
BREAST = [
    "s1,r1,i1,L,CC,3518,2800,BI-RADS 4,DENSITY C,training",
    "s1,r1,i2,L,MLO,3518,2800,BI-RADS 4,DENSITY C,training",
]
FINDING = ["i1,\"['Mass', 'Skin Retraction']\",BI-RADS 4,10.5,20,110.5,220", "i2,['No Finding'],,,,,"]
PERSON = ["i1,046Y,Mammomat", "i2,,"]


def plant(
    root: Path, *, breasts: list[str] = BREAST, findings: list[str] = FINDING, people: list[str] | None = None
) -> None:
    for name, head, rows in (
        ("breast-level_annotations.csv", BREASTS, breasts),
        ("finding_annotations.csv", FINDINGS, findings),
        ("metadata.csv", METADATA, people),
    ):
        if rows is not None:
            (root / name).write_text("\n".join([head, *rows]) + "\n")


def read(root: Path) -> Index:
    return build_index(VINDR, root)


def test_a_finding_carries_its_box_and_what_readers_said(tmp_path: Path) -> None:
    plant(tmp_path, people=PERSON)

    first, second = read(tmp_path).table.to_dicts()

    corners = [first[f"lesion_{corner}"] for corner in ("x0", "y0", "x1", "y1")]
    assert corners == [10.5, 20, 110.5, 220]
    assert (first["lesion_kind"], first["assessment"], first["malignant"]) == ("mass", 4, True)
    assert {first["label_origin"], second["label_origin"]} == {"reader"}
    assert (first["density"], first["official_part"], first["age_years"]) == ("C", "train", 46)
    assert (second["lesion_id"], second["assessment"], second["malignant"]) == (None, 4, True)
    assert (second["age_years"], second["machine_id"], first["machine_id"]) == (None, None, "Mammomat")
    assert first["path"] == "images/s1/i1.dicom"


@pytest.mark.parametrize(
    ("breast", "finding", "malignant", "findings"),
    [(3, 3, None, 1), (4, 3, True, 1), (5, 4, True, 1), (3, 4, True, 1), (5, None, True, 1)],
)
def test_an_image_is_never_below_its_breast(
    tmp_path: Path,
    breast: int,
    finding: int | None,
    *,
    malignant: bool | None,
    findings: int,
) -> None:
    category = "" if finding is None else f"BI-RADS {finding}"
    plant(
        tmp_path,
        breasts=[BREAST[0].replace("BI-RADS 4", f"BI-RADS {breast}")],
        findings=[f"i1,['Mass'],{category},1,2,30,40"],
    )

    (image,) = image_table(read(tmp_path)).to_dicts()

    assert (image["malignant"], image["findings"]) == (malignant, findings)


def test_a_box_is_cut_at_the_edge_and_refused_beyond_it(tmp_path: Path) -> None:
    plant(tmp_path, findings=["i1,['Mass'],BI-RADS 4,-3,20,2810,220"])
    table = read(tmp_path).table
    assert table.select("lesion_x0", "lesion_x1").row(0) == (0, 2800)

    plant(tmp_path, findings=["i1,['Mass'],BI-RADS 4,10,20,3300,220"])
    with pytest.raises(
        SourceError, match=r"^finding_annotations\.csv:2: box 10,20,3300,220 lies outside the picture of"
    ):
        read(tmp_path)


def test_a_converted_picture_is_found_and_two_are_refused(tmp_path: Path) -> None:
    plant(tmp_path)
    folder = tmp_path / "images" / "s1"
    folder.mkdir(parents=True)
    (folder / "i1.png").write_bytes(b"")

    assert read(tmp_path).table["path"][0] == "images/s1/i1.png"

    (folder / "i1.dicom").write_bytes(b"")
    with pytest.raises(SourceError, match="i1: 2 files for one image, i1.dicom, i1.png"):
        read(tmp_path)


FAULTS = {  # what is planted: old and new text of the rows, and how it is located
    "unknown category": ("'Mass'", "'Masse'", "finding_annotations.csv:2: finding_categories"),
    "finding and none": ("'Skin Retraction'", "'No Finding'", "finding_annotations.csv:2: finding_categories"),
    "no list": ("['No Finding']", "No Finding", "finding_annotations.csv:3: finding_categories"),
    "category of findings": (
        ",BI-RADS 4,10.5",
        ",BI-RADS 7,10.5",
        "finding_annotations.csv:2: finding_birads 'BI-RADS 7'",
    ),
    "decimal comma": ("10.5,20", '"10,5",20', "finding_annotations.csv:2: xmin '10,5' is not a number"),
    "half a box": ("110.5,220", "110.5,", "finding_annotations.csv:2: a finding without all of"),
    "turned box": ("10.5,20,110.5,220", "110.5,20,10.5,220", "finding_annotations.csv:2: box .* is empty or turned"),
    "stray finding": (
        "i2,['No Finding'],,,,,",
        "i9,['Mass'],,1,1,2,2",
        "finding_annotations.csv:3: image i9 is not in",
    ),
    "category of the breast": (
        "BI-RADS 4,DENSITY C",
        "4,DENSITY C",
        "breast-level_annotations.csv:2: breast_birads '4'",
    ),
    "density": ("DENSITY C", "C", "breast-level_annotations.csv:2: breast_density 'C'"),
    "split": ("training", "train", "breast-level_annotations.csv:2: split 'train'"),
    "side": ("i1,L,CC", "i1,Left,CC", "breast-level_annotations.csv:2: laterality 'Left'"),
    "age": ("046Y", "46", "metadata.csv:2: Patient's Age '46'"),
    "torn row": ("i2,['No Finding'],,,,,", "i2,['No Finding']", "finding_annotations.csv:3: 2 cells, but"),
    "twice": ("s1,r1,i2,L,MLO", "s1,r1,i1,L,MLO", "one image id, several values"),
}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(name=st.sampled_from(sorted(FAULTS)), semicolons=st.booleans(), mark=st.booleans())
def test_every_planted_fault_is_found_and_nothing_else(
    name: str, tmp_path: Path, *, semicolons: bool, mark: bool
) -> None:
    old, new, where = FAULTS[name]

    def written(change: tuple[str, str]) -> Index:
        plant(tmp_path, people=PERSON)
        for path in tmp_path.glob("*.csv"):
            text = (
                path.read_text().replace(*change, 1)
                if "metadata" not in path.name or name == "age"
                else path.read_text()
            )
            path.write_text(text, encoding="utf-8-sig" if mark else "utf-8")
        if semicolons:
            breasts = tmp_path / "breast-level_annotations.csv"
            breasts.write_text(breasts.read_text(encoding="utf-8-sig").replace(",", ";"))
        return read(tmp_path)

    assert written((old, old)).table.height == 2
    with pytest.raises(SourceError, match=where):
        written((old, new))
