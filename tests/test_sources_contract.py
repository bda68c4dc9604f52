"""What holds for every source."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian

from mammoscope.errors import SourceError
from mammoscope.records import Record, read_index, write_index
from mammoscope.sources import MINI_MIAS, RSNA, SOURCES, Source, build_index, source_named

DOCS = Path(__file__).parents[1] / "docs" / "reference" / "sources"
CBIS_HEADER = (
    "patient_id,breast_density,left or right breast,image view,abnormality id,abnormality type,mass shape,mass margins,"
    "assessment,pathology,subtlety,image file path,cropped image file path,ROI mask file path\n"
)


def plant_cbis(root: Path) -> int:
    rows = [
        f"P_0000{n},2,LEFT,CC,1,mass,OVAL,NA,4,BENIGN,3,Mass-Training_P_0000{n}_LEFT_CC/1.{n}/2.{n}/000000.dcm,"
        f"Mass-Training_P_0000{n}_LEFT_CC_1/3.{n}/4.{n}/000000.dcm,Mass-Training_P_0000{n}_LEFT_CC_1/3.{n}/4.{n}/000001.dcm\n"
        for n in (1, 2, 3)
    ]
    (root / "mass_case_description_train_set.csv").write_text(CBIS_HEADER + "".join(rows))
    for n in (1, 2, 3):
        folder = root / f"Mass-Training_P_0000{n}_LEFT_CC" / f"1.{n}" / f"2.{n}"
        folder.mkdir(parents=True)
        (folder / "1-1.dcm").write_bytes(b"")
    return 3


def plant_rsna(root: Path) -> int:
    rows = "".join(f"{n},{n}0,L,CC,0\n" for n in (1, 2, 3))
    (root / "train.csv").write_text("patient_id,image_id,laterality,view,cancer\n" + rows)
    for n in (1, 2, 3):
        (root / "train_images" / str(n)).mkdir(parents=True)
        (root / "train_images" / str(n) / f"{n}0.png").write_bytes(b"")
    return 3


def plant_mias(root: Path) -> int:
    (root / "Info.txt").write_text("".join(f"mdb00{n} G NORM\n" for n in (1, 2, 3)))
    for n in (1, 2, 3):
        (root / f"mdb00{n}.pgm").write_bytes(b"")
    return 3


def plant_cbis_jpeg(root: Path) -> int:
    (root / "csv").mkdir()
    plant_cbis(root / "csv")
    for n in (1, 2, 3):
        (root / "jpeg" / f"2.{n}").mkdir(parents=True)
        (root / "jpeg" / f"2.{n}" / "1-001.jpg").write_bytes(b"")
    return 3


def plant_vindr(root: Path) -> int:
    head = "study_id,series_id,image_id,laterality,view_position,height,width,breast_birads,breast_density,split\n"
    rows = "".join(f"s{n},r{n},i{n},L,CC,100,80,BI-RADS 1,DENSITY B,training\n" for n in (1, 2, 3))
    (root / "breast-level_annotations.csv").write_text(head + rows)
    head = "image_id,finding_categories,finding_birads,xmin,ymin,xmax,ymax\n"
    (root / "finding_annotations.csv").write_text(head + "".join(f"i{n},['No Finding'],,,,,\n" for n in (1, 2, 3)))
    for n in (1, 2, 3):
        (root / "images" / f"s{n}").mkdir(parents=True)
        (root / "images" / f"s{n}" / f"i{n}.dicom").write_bytes(b"")
    return 3


def plant_inbreast(root: Path) -> int:
    rows = "".join(f"removed;removed;L;CC;201001;{n};2;1\n" for n in (1, 2, 3))
    (root / "INbreast.csv").write_text(
        "Patient ID;Patient age;Laterality;View;Acquisition date;File Name;ACR;Bi-Rads\n" + rows
    )
    (root / "AllDICOMs").mkdir()
    for n in (1, 2, 3):
        (root / "AllDICOMs" / f"{n}_abc{n}_MG_L_CC_ANON.dcm").write_bytes(b"")
    return 3


def plant_dicom(root: Path) -> int:
    for n in (1, 2, 3):
        header = Dataset()
        header.file_meta = FileMetaDataset()
        header.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        header.SOPClassUID = DigitalMammographyXRayImageStorageForPresentation
        header.SOPInstanceUID = f"1.2.3.{n}"
        header.PatientID = f"D1-000{n}"
        header.Modality = "MG"
        header.ImageLaterality = "L"
        header.Rows, header.Columns = 60, 40
        header.save_as(root / f"{n}.dcm", enforce_file_format=True)
    return 3


def plant_cmmd(root: Path) -> int:
    (root / "CMMD").mkdir()
    plant_dicom(root / "CMMD")
    rows = "".join(f"D1-000{n},L,48,2,mass,Benign,\n" for n in (1, 2, 3))
    table = root / "CMMD_clinicaldata_revision.csv"
    table.write_text("ID1,LeftRight,Age,number,abnormality,classification,subtype\n" + rows)
    return 3


def plant_cesm(root: Path) -> int:
    head = "Image_name,Patient_ID,Side,Type,Age,Breast density (ACR),BIRADS,Findings,View,Tags,Machine,"
    head += "Pathology Classification/ Follow up\n"
    kinds = (("DM", "DM"), ("CM", "CESM"))
    rows = [f"P{n}_L_{short}_CC,{n},L,{kind},46,C,1,,CC,,1,Normal\n" for n in (1, 2, 3) for short, kind in kinds]
    (root / "Radiology-manual-annotations.csv").write_text(head + "".join(rows))
    shape = '"{""name"":""circle"",""cx"":50,""cy"":50,""r"":5}"'
    outlines = root / "Radiology_hand_drawn_segmentations_v2.csv"
    outlines.write_text(f"#filename,region_shape_attributes\nP1_L_DM_CC.jpg,{shape}\n")
    for folder, short in (("Low energy images of CDD-CESM", "DM"), ("Subtracted images of CDD-CESM", "CM")):
        (root / folder).mkdir()
        for n in (1, 2, 3):
            (root / folder / f"P{n}_L_{short}_CC.jpg").write_bytes(b"")
    return 3


def plant_embed(root: Path) -> int:
    (root / "tables").mkdir()
    head = "empi_anon,acc_anon,anon_dicom_path,FinalImageType,ImageLateralityFinal,ViewPosition\n"
    rows = "".join(f"{n},1{n},/mnt/x/cohort_1/{n}/1{n}/{n}.dcm,2D,L,CC\n" for n in (1, 2, 3))
    (root / "tables" / "EMBED_OpenData_metadata.csv").write_text(head + rows)
    head = "empi_anon,acc_anon,numfind,side,asses,tissueden,path_severity\n"
    rows = "".join(f"{n},1{n},1,L,N,2.0,\n" for n in (1, 2, 3))
    (root / "tables" / "EMBED_OpenData_clinical.csv").write_text(head + rows)
    for n in (1, 2, 3):
        folder = root / "images" / "cohort_1" / str(n) / f"1{n}"
        folder.mkdir(parents=True)
        (folder / f"{n}.dcm").write_bytes(b"")
    return 3


def plant_table(root: Path) -> int:
    declaration = """table = "own.csv"
    constants = { label_origin = "biopsy" }
    columns = { patient_id = "woman", image_id = "file", path = "file", malignant = "result" }
    values = { malignant = { benign = false, cancer = true } }
    """
    (root / "mammoscope.toml").write_text(declaration)
    (root / "own.csv").write_text("woman,file,result\n1,1.png,benign\n2,2.png,cancer\n3,3.png,\n")
    for n in (1, 2, 3):
        (root / f"{n}.png").write_bytes(b"")
    return 3


def plant_folders(root: Path) -> int:
    for name in ("benign", "malignant", "normal"):
        (root / name).mkdir()
        (root / name / "1.png").write_bytes(b"")
    return 3


PLANT = {
    "cbis_ddsm": plant_cbis,
    "cbis_ddsm_jpeg": plant_cbis_jpeg,
    "cdd_cesm": plant_cesm,
    "cdd_cesm_subtracted": plant_cesm,
    "cmmd": plant_cmmd,
    "dicom": plant_dicom,
    "embed": plant_embed,
    "folders": plant_folders,
    "inbreast": plant_inbreast,
    "mini_mias": plant_mias,
    "rsna": plant_rsna,
    "table": plant_table,
    "vindr": plant_vindr,
}


def test_every_source_has_a_planted_tree_here() -> None:
    assert set(PLANT) == set(SOURCES)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_yields_one_sound_record_per_image(name: str, tmp_path: Path) -> None:
    planted = PLANT[name](tmp_path)

    records = list(SOURCES[name].read(tmp_path))

    assert len({record.image_id for record in records}) == len(records) == planted
    assert all((tmp_path / record.path).is_file() and record.patient_id for record in records)
    assert {record.source for record in records} == {name}
    assert all(record.label_origin is not None for record in records if record.malignant is not None)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_reading_twice_gives_the_same_and_the_index_survives_the_disk(name: str, tmp_path: Path) -> None:
    PLANT[name](tmp_path)

    index = build_index(SOURCES[name], tmp_path)
    write_index(index, tmp_path / "index.parquet")

    assert build_index(SOURCES[name], tmp_path).table.equals(index.table)
    assert read_index(tmp_path / "index.parquet").table.equals(index.table)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_a_missing_or_empty_folder_is_refused_and_no_full_path_is_shown(name: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="nowhere: no such folder") as missing:
        build_index(SOURCES[name], tmp_path / "nowhere")
    with pytest.raises(SourceError) as empty:
        build_index(SOURCES[name], tmp_path)

    assert str(tmp_path) not in str(missing.value) + str(empty.value)


@pytest.mark.parametrize("name", sorted(SOURCES))
def test_every_source_has_a_page_that_states_licence_and_citation(name: str) -> None:
    source = SOURCES[name]
    page = " ".join((DOCS / f"{name}.md").read_text(encoding="utf-8").split())

    assert source.url in page
    for part in ("## Layout", "## Labels", "## Licence and citation", "## Traps"):
        assert part in page
    assert source.cite.split(".")[0] in page


def test_a_source_is_found_by_name_or_where_it_is_imported_from(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("own_data")
    module.OWN = MINI_MIAS
    monkeypatch.setitem(sys.modules, "own_data", module)

    assert source_named("cbis-ddsm") is SOURCES["cbis_ddsm"]
    assert source_named("own_data:OWN") is MINI_MIAS


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rnsa", "'rnsa' is not one of cbis_ddsm, .*, dicom, nor package.module:NAME; did you mean 'rsna'"),
        ("no_such_package:OWN", "cannot be imported: No module named"),
        ("mammoscope.sources:NOTHING", "cannot be imported"),
        ("mammoscope.sources:SOURCES", "is a dict, not a mammoscope.sources.Source"),
        (":", "is not one of"),
        (".sources:X", "is not one of"),
    ],
)
def test_an_unknown_source_is_refused_with_what_is_known(text: str, message: str) -> None:
    with pytest.raises(SourceError, match=message):
        source_named(text)


def test_a_reader_that_signs_with_another_name_is_refused(tmp_path: Path) -> None:
    def read(_root: Path) -> object:
        yield Record(source="other", patient_id="1", image_id="1", path="1.png")

    with pytest.raises(SourceError, match=r"own: its reader yields records of \['other'\]"):
        build_index(_named("own", read), tmp_path)


def test_a_reader_that_yields_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no image is listed in it"):
        build_index(_named("own", lambda _root: iter(())), tmp_path)


def test_sources_know_nothing_of_pixels_or_models() -> None:
    folder = Path(__file__).parents[1] / "src" / "mammoscope" / "sources"
    heavy = {"torch", "cv2", "sklearn", "matplotlib", "timm"}

    for file in folder.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.split(".")[0] for name in names} & heavy, file.name


def _named(name: str, read: object) -> Source:
    return Source(name=name, read=read, layout="", labels="", licence="", cite="", url=RSNA.url)
