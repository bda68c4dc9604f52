"""INbreast: whose picture it is, outlines of OsiriX, and region files that are not to be trusted."""

import logging
import plistlib
from pathlib import Path

import pytest

from mammoscope.errors import SourceError
from mammoscope.records import Index, image_table
from mammoscope.sources import INBREAST, build_index
from mammoscope.sources import inbreast as module

HEADER = "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n"
SQUARE = [(10.0, 20.0), (30.0, 20.0), (30.0, 50.0), (10.0, 50.0)]
BOMB = b"""<?xml version="1.0"?><!DOCTYPE plist [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;&a;">]>
<plist version="1.0"><dict><key>Images</key><string>&b;</string></dict></plist>"""


def regions(*shapes: tuple[str, list[tuple[float, float]]]) -> bytes:
    rois = [{"Name": name, "Point_px": [f"({x:f}, {y:f})" for x, y in points]} for name, points in shapes]
    return plistlib.dumps({"Images": [{"ImageIndex": 0, "NumberOfROIs": len(rois), "ROIs": rois}]})


def plant(root: Path, *, row: str = "removed;removed;R;MLO;201001;20586908;3;4b\n", xml: bytes | None = None) -> None:
    for folder in ("AllDICOMs", "AllXML"):
        (root / folder).mkdir(parents=True, exist_ok=True)
    (root / "INbreast.csv").write_text(HEADER + row)
    (root / "AllDICOMs" / "20586908_6c613a14b80a8591_MG_R_ML_ANON.dcm").write_bytes(b"")
    if xml is not None:
        (root / "AllXML" / "20586908.xml").write_bytes(xml)


def read(root: Path) -> Index:
    return build_index(INBREAST, root)


def test_the_file_name_says_whose_picture_it_is(tmp_path: Path) -> None:
    plant(tmp_path)

    (row,) = read(tmp_path).table.to_dicts()

    assert (row["patient_id"], row["image_id"]) == ("6c613a14b80a8591", "20586908")
    assert (row["laterality"], row["view"], row["density"], row["age_years"]) == ("R", "MLO", "C", None)
    assert row["path"] == "AllDICOMs/20586908_6c613a14b80a8591_MG_R_ML_ANON.dcm"


def test_the_release_folder_may_be_one_level_down(tmp_path: Path) -> None:
    plant(tmp_path / "INbreast Release 1.0")

    assert read(tmp_path).table["path"][0].startswith("INbreast Release 1.0/AllDICOMs/2058")


@pytest.mark.parametrize(
    ("category", "assessment", "malignant", "origin"),
    [
        *(("0", 0, None, None), ("1", 1, False, "reader"), ("3", 3, None, None), ("4a", 4, True, "reader")),
        *(("5", 5, True, "reader"), ("6", 6, True, "biopsy"), ("   ", None, None, None)),
    ],
)
def test_the_category_of_the_image_is_its_label(
    tmp_path: Path,
    category: str,
    assessment: int | None,
    *,
    malignant: bool | None,
    origin: str | None,
) -> None:
    plant(tmp_path, row=f"removed;removed;R;CC;201001;20586908;  ;{category}\n")

    (row,) = read(tmp_path).table.to_dicts()

    assert (row["assessment"], row["malignant"], row["label_origin"], row["density"]) == (
        *(assessment, malignant, origin, None),
    )


def test_outlines_are_lesions_in_original_pixels(tmp_path: Path) -> None:
    shapes = [("Mass", SQUARE), ("Cluster", SQUARE), ("Calcification", [(5.5, 6.5)]), ("Espiculated Region", SQUARE)]
    plant(tmp_path, xml=regions(*shapes))

    index = read(tmp_path)
    mass, cluster, point, spikes = index.table.to_dicts()

    assert mass["lesion_polygon"] == [number for pair in SQUARE for number in pair]
    assert [mass[f"lesion_{corner}"] for corner in ("x0", "y0", "x1", "y1")] == [10, 20, 31, 51]
    assert (cluster["lesion_kind"], cluster["calc_distribution"]) == ("calcification", "CLUSTERED")
    assert (point["lesion_polygon"], point["lesion_x0"], point["lesion_x1"]) == (None, 5, 6)
    assert (spikes["lesion_kind"], spikes["lesion_margins"]) == ("other", "SPICULATED")
    assert image_table(index)["findings"].to_list() == [4]


def test_a_region_of_an_unknown_name_is_kept_and_one_without_points_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    plant(tmp_path, xml=regions(("Cyst", SQUARE), ("Mass", [])))

    with caplog.at_level(logging.WARNING):
        (row,) = read(tmp_path).table.to_dicts()

    assert row["lesion_kind"] is None
    assert "20586908.xml, region 1: name 'Cyst' is none that is known" in caplog.text
    assert "20586908.xml, region 2: has no points" in caplog.text


@pytest.mark.parametrize(
    ("xml", "message"),
    [
        (BOMB, r"20586908\.xml: not an OsiriX region file \(InvalidFileException\)"),
        (b"<plist>", "not an OsiriX region file"),
        (b"bplist00", "not an OsiriX region file"),
        (plistlib.dumps({"Images": []}), "not an OsiriX region file"),
        (plistlib.dumps({"Images": [{"ROIs": [1]}]}), "its ROIs are not a list of regions"),
        (
            plistlib.dumps({"Images": [{"ROIs": [{"Point_px": ["(1; 2)"]}]}]}),
            r"region 1: point '\(1; 2\)' is not '\(x, y\)'",
        ),
        (regions(("Mass", [(-900.0, 0.0), (-800.0, 0.0), (-850.0, 9.0)])), "region 1: box .* lies outside the picture"),
    ],
)
def test_a_region_file_that_is_none_is_refused_by_name(tmp_path: Path, xml: bytes, message: str) -> None:
    plant(tmp_path, xml=xml)

    with pytest.raises(SourceError, match=message):
        read(tmp_path)


def test_a_huge_region_file_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 10)
    plant(tmp_path, xml=regions(("Mass", SQUARE)))

    with pytest.raises(SourceError, match="20586908.xml: has more than"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("removed;removed;R;CC;201001;111;3;2\n", "INbreast.csv:2: image 111 has no file in AllDICOMs"),
        ("removed;removed;R;CC;201001;20586908;3;4d\n", "INbreast.csv:2: Bi-Rads '4d' is not one of"),
        ("removed;removed;R;CC;201001;20586908;5;2\n", "INbreast.csv:2: ACR '5' is not one of"),
        ("removed;4,5;R;CC;201001;20586908;3;2\n", "INbreast.csv:2: Patient age '4,5' is not a number"),
    ],
)
def test_a_bad_row_is_refused_by_line(tmp_path: Path, row: str, message: str) -> None:
    plant(tmp_path, row=row)

    with pytest.raises(SourceError, match=message):
        read(tmp_path)


def test_files_without_a_row_wrongly_named_or_double_are_refused(tmp_path: Path) -> None:
    plant(tmp_path)
    stray = tmp_path / "AllXML" / "999.xml"
    stray.write_bytes(regions())
    with pytest.raises(SourceError, match="image 999 has a file but no row"):
        read(tmp_path)
    stray.unlink()

    odd = tmp_path / "AllDICOMs" / "copy of 1.dcm"
    odd.write_bytes(b"")
    with pytest.raises(SourceError, match="copy of 1.dcm: is not named"):
        read(tmp_path)
    odd.rename(tmp_path / "AllDICOMs" / "20586908_6c613a14b80a8591_MG_R_ML_ANON.png")
    with pytest.raises(SourceError, match="2 files for one image"):
        read(tmp_path)


def test_the_workbook_alone_is_refused_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "INbreast.xls").write_bytes(b"\xd0\xcf\x11\xe0")

    with pytest.raises(SourceError, match="holds INbreast.xls only. Save it as 'CSV UTF-8', INbreast.csv"):
        read(tmp_path)
