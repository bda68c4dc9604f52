"""What holds for every source."""

import ast
import sys
from pathlib import Path
from types import ModuleType

import pytest

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


PLANT = {"cbis_ddsm": plant_cbis, "rsna": plant_rsna, "mini_mias": plant_mias}


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
        ("rnsa", "'rnsa' is not one of cbis_ddsm, rsna, mini_mias, nor package.module:NAME; did you mean 'rsna'"),
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
