"""Class folders of PNG: pixels as in training, patients in one folder, nothing half written."""

import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from mammoscope.batches import Export, export_folders, prepare
from mammoscope.cli import app
from mammoscope.cohort import RatioSplit
from mammoscope.errors import RecipeError, SourceError
from mammoscope.images import Preprocess
from mammoscope.phantom import write_cbis_ddsm
from mammoscope.records import Index, Record, image_table, index_of, write_index
from mammoscope.sources import build_index, source_named
from mammoscope.vocabulary import Density, LesionKind, View

SMALL = Preprocess(rows=48, cols=32)


def pictures(folder: Path, *, count: int = 40, **facts: object) -> Index:
    """Two pictures of each patient, every second patient malignant; densities in turn."""
    records = []
    for n in range(count):
        picture = np.zeros((96, 64), dtype=np.uint8)
        cv2.ellipse(picture, (0, 48), (50, 40), 0, 0, 360, (100 + n,), -1)
        cv2.imwrite(str(folder / f"{n}.png"), picture)
        patient = n // 2
        own = {
            "source": "own",
            "patient_id": f"p{patient}",
            "image_id": f"{n}",
            "path": f"{n}.png",
            "view": View.CC if n % 2 else View.MLO,
            "density": list(Density)[patient % 2],
            "malignant": patient % 2 == 0,
        }
        records.append(Record(**(own | facts)))  # type: ignore[arg-type]
    return index_of(records, roots={"own": folder})


def made(folder: Path) -> dict[str, bytes]:
    return {str(file.relative_to(folder)): file.read_bytes() for file in sorted(folder.glob("*/*/*.png"))}


def facts(folder: Path) -> dict[str, object]:
    return json.loads((folder / "export.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("bits", [8, 16])
def test_pixels_are_those_that_training_sees(bits: int, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    export = Export(preprocess=SMALL, bits=bits)  # type: ignore[arg-type]

    export_folders(index, out=tmp_path / "out", cache=tmp_path / "cache", export=export, workers=0)

    table = prepare(image_table(index), roots=index.roots, preprocess=SMALL, folder=tmp_path / "cache", workers=0)
    prepared = dict(table.select("image_id", "file").iter_rows())
    assert len(facts(tmp_path / "out")["files"]) == 40  # type: ignore[arg-type]
    for row in facts(tmp_path / "out")["files"]:  # type: ignore[attr-defined]
        found = cv2.imread(str(tmp_path / "out" / row["file"]), cv2.IMREAD_UNCHANGED)
        wanted = np.load(tmp_path / "cache" / prepared[row["image_id"]])
        assert found.dtype == (np.uint8 if bits == 8 else np.uint16)
        np.testing.assert_array_equal(found, wanted if bits == 16 else np.rint(wanted / 257).astype(np.uint8))


def test_a_patient_is_in_one_folder_and_counts_agree_with_the_files(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")

    done = export_folders(
        index, out=tmp_path / "out", cache=tmp_path / "cache", export=Export(preprocess=SMALL), workers=0
    )

    files = facts(tmp_path / "out")["files"]
    folders = {row["patient_id"]: set() for row in files}  # type: ignore[attr-defined]
    for row in files:  # type: ignore[attr-defined]
        folders[row["patient_id"]].add(row["part"])
        assert row["class"] == ("1_malignant" if int(row["image_id"]) // 2 % 2 == 0 else "0_not_malignant")
    assert all(len(parts) == 1 for parts in folders.values())
    assert done.patients == {"train": 14, "test": 4, "hold-out": 2}
    for part, classes in done.counts.items():
        for name, count in classes.items():
            assert len(list((tmp_path / "out" / part / name).glob("*.png"))) == count
    assert {str(file.relative_to(tmp_path / "out")) for file in (tmp_path / "out").glob("*/*/*")} == {
        row["file"]
        for row in files  # type: ignore[attr-defined]
    }


def test_a_corrupt_picture_is_listed_and_has_no_file(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    (tmp_path / "data" / "3.png").write_bytes((tmp_path / "data" / "3.png").read_bytes()[:60])
    (tmp_path / "data" / "5.png").unlink()

    done = export_folders(
        index, out=tmp_path / "out", cache=tmp_path / "cache", export=Export(preprocess=SMALL), workers=0
    )

    assert {row["image_id"]: row["code"] for row in done.failed} == {"3": "truncated", "5": "missing"}
    assert len(made(tmp_path / "out")) == 38


def test_an_interrupted_export_goes_on_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from mammoscope.batches import export as module

    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    settings = {"out": tmp_path / "out", "cache": tmp_path / "cache", "export": Export(preprocess=SMALL), "workers": 1}
    export_folders(index, **settings)  # type: ignore[arg-type]
    whole = made(tmp_path / "out")
    gone = tmp_path / "out" / min(whole)
    gone.unlink()
    (gone.parent / f".{gone.name}.x1.png").write_bytes(b"half a picture")
    written: list[Path] = []
    kept = module.whole_file

    def noted(path: Path) -> object:
        written.append(path)
        return kept(path)

    monkeypatch.setattr(module, "whole_file", noted)
    export_folders(index, **settings)  # type: ignore[arg-type]

    assert written == [gone]
    assert made(tmp_path / "out") == whole
    assert facts(tmp_path / "out")["complete"] is True


def test_a_picture_that_changed_is_made_again(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    settings = {"out": tmp_path / "out", "cache": tmp_path / "cache", "export": Export(preprocess=SMALL), "workers": 1}
    export_folders(index, **settings)  # type: ignore[arg-type]
    before = made(tmp_path / "out")
    picture = np.zeros((96, 64), dtype=np.uint8)
    cv2.ellipse(picture, (0, 30), (40, 25), 0, 0, 360, (200,), -1)
    cv2.imwrite(str(tmp_path / "data" / "0.png"), picture)

    export_folders(index, **settings)  # type: ignore[arg-type]

    after = made(tmp_path / "out")
    assert [Path(name).stem for name in before if before[name] != after[name]] == ["0"]


def test_another_export_or_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    settings = {"cache": tmp_path / "cache", "workers": 1}
    export_folders(index, out=tmp_path / "out", export=Export(preprocess=SMALL), **settings)  # type: ignore[arg-type]

    with pytest.raises(RecipeError, match="out: holds an export of other settings"):
        export_folders(index, out=tmp_path / "out", export=Export(preprocess=SMALL, seed=1), **settings)  # type: ignore[arg-type]
    with pytest.raises(RecipeError, match=r"data: is not empty and holds no export\.json"):
        export_folders(index, out=tmp_path / "data", **settings)  # type: ignore[arg-type]


def test_images_are_chosen_by_view_and_kind_and_the_others_counted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data", lesion_id="1", lesion_kind=LesionKind.MASS)
    export = Export(preprocess=SMALL, views=(View.CC,), kind=LesionKind.MASS)

    done = export_folders(index, out=tmp_path / "out", cache=tmp_path / "cache", export=export, workers=0)

    assert sum(sum(classes.values()) for classes in done.counts.values()) == 20
    assert done.left_out == {"not of view CC": 20, "without a mass": 0, "without a known label": 0}


def test_a_malignancy_of_another_kind_is_noted(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data", lesion_id="1", lesion_kind=LesionKind.MASS)
    own = {"source": "own", "patient_id": "p1", "image_id": "2", "path": "2.png", "view": View.MLO}
    other = Record(malignant=True, lesion_id="2", lesion_kind=LesionKind.CALCIFICATION, **own)  # type: ignore[arg-type]
    export = Export(preprocess=SMALL, kind=LesionKind.MASS)

    done = export_folders(
        Index(table=pl.concat([index.table, index_of([other], roots=index.roots).table]), roots=index.roots),
        out=tmp_path / "out",
        cache=tmp_path / "cache",
        export=export,
        workers=0,
    )

    assert done.notes == ("1 images with a mass are malignant through a finding of another kind",)


def test_nothing_left_is_an_error_that_says_why(tmp_path: Path) -> None:
    index = pictures(tmp_path)

    with pytest.raises(SourceError, match="no image is left .40 not of view AT"):
        export_folders(index, out=tmp_path / "out", cache=tmp_path / "cache", export=Export(views=(View.AT,)))


def test_densities_are_classes_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data", count=24)
    export = Export(preprocess=SMALL, by="density", ratio=RatioSplit(train=0.5, tune=0.25, test=0.25))

    done = export_folders(index, out=tmp_path / "out", cache=tmp_path / "cache", export=export, workers=0)

    assert all(set(classes) == {"A", "B"} and min(classes.values()) > 0 for classes in done.counts.values())


def test_ids_that_are_no_file_names_get_safe_and_different_ones(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    index = pictures(tmp_path / "data")
    names = {"0": "../a", "1": "..:a", "2": "A/1", "3": "a/1"}
    rows = index.table.with_columns(image_id=index.table["image_id"].replace(names))

    export_folders(
        Index(table=rows, roots=index.roots),
        out=tmp_path / "out",
        cache=tmp_path / "cache",
        export=Export(preprocess=SMALL),
        workers=0,
    )

    stems = [Path(name).stem.casefold() for name in made(tmp_path / "out")]
    assert len(stems) == len(set(stems)) == 40
    assert not any("/" in stem or stem.startswith(".") for stem in stems)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"names": ("a", "A", "b")}, "three different folder names"),
        ({"names": ("a", "../b", "c")}, "pattern"),
        ({"bits": 12}, "8 or 16"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Export.model_validate(settings)


@pytest.fixture(scope="module")
def phantom(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("phantom")
    write_cbis_ddsm(folder / "data", patients=24, seed=2, rows=192)
    write_index(build_index(source_named("cbis_ddsm"), folder / "data"), folder / "index.parquet")
    return folder / "index.parquet"


def test_the_verb_writes_folders_of_phantoms_and_prints_the_table(phantom: Path, tmp_path: Path) -> None:
    words = f"export-folders {phantom} --out {tmp_path / 'out'} --ratio 60/20/20 --names train/val/test --size 50"

    done = CliRunner().invoke(app, [*words.split(), "--views", "CC", "--workers", "0"])

    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.stdout.splitlines()[1:4]] == ["train", "val", "test"]
    pictures = [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in (tmp_path / "out").glob("*/*/*.png")]
    assert pictures
    assert {picture.shape for picture in pictures} == {(50, 50)}


@pytest.mark.parametrize(
    ("option", "said"), [("--ratio=80/20", "three numbers"), ("--views=XX", "--views"), ("--size=9000", "--size")]
)
def test_misuse_of_the_verb_is_a_sentence(option: str, said: str, phantom: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["export-folders", str(phantom), "--out", str(tmp_path / "out"), option])

    assert done.exit_code == 2
    assert said in done.output
