"""External validation: no model is tested on a woman it has seen, and labels that mean something else are said so."""

import csv
import json
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score
from typer.testing import CliRunner

from mammoscope.batches import Samples, prepare
from mammoscope.cli import app
from mammoscope.errors import BundleError
from mammoscope.evaluation import SealError
from mammoscope.images import Preprocess
from mammoscope.models import Bundle, Manifest, SimpleCnn, build
from mammoscope.pipeline import seal_run, validate_externally
from mammoscope.records import Index, Record, image_table, index_of, write_index
from mammoscope.training import Recipe, scores_of
from mammoscope.vocabulary import LabelOrigin, Laterality, LesionKind, Part, View

SMALL = Preprocess(rows=32, cols=24)


def data_set(root: Path, *, source: str, patients: range, benign: bool = True, seed: int = 0) -> Index:
    """One picture a woman; every other one malignant."""
    root.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    records = []
    for number in patients:
        malignant = number % 2 == 0
        picture = np.zeros((64, 48), np.uint8)
        picture[np.hypot(*np.mgrid[-32:32, 0:48]) < 30] = 120
        picture[20:30, 5:15] = rng.integers(130, 256, size=(10, 10))
        cv2.imwrite(str(root / f"{number}.png"), picture)
        lesion = malignant or benign
        records.append(
            Record(
                source=source,
                patient_id=f"P{number}",
                image_id=f"{source}{number}",
                path=f"{number}.png",
                laterality=Laterality.LEFT,
                view=View.CC,
                malignant=malignant,
                label_origin=LabelOrigin.BIOPSY if lesion else LabelOrigin.DERIVED,
                lesion_id="1" if lesion else None,
                lesion_kind=LesionKind.MASS if lesion else None,
            )
        )
    return index_of(records, roots={source: root})


def trained(folder: Path, index: Index, *, cache: Path) -> Path:
    """A run folder with an untrained bundle: a third of the women each in train, tune and test."""
    images = image_table(index)
    part = pl.Series("part", [list(Part)[n % 3].value for n in range(images.height)])
    files = prepare(images, roots=index.roots, preprocess=SMALL, folder=cache, workers=0)
    cohort = images.with_columns(part).join(files.select("source", "image_id", "file"), on=["source", "image_id"])
    model = SimpleCnn(channels=(4,))
    sources = sorted(images["source"].unique())
    manifest = Manifest(
        name="tiny",
        meaning="m",
        model=model,
        preprocess=SMALL,
        threshold=0.5,
        data={"sources": sources, "split": "abc"},
    )
    bundle = Bundle(manifest=manifest, network=build(manifest.design, seed=0))
    bundle.save_pretrained(folder / "bundle")
    test = cohort.filter(pl.col("part") != "train")
    labels = test["malignant"].cast(pl.Int64).to_numpy()[:, None]
    samples = Samples(files=[cache / name for name in test["file"]], labels=labels)
    scores = scores_of(bundle.network, samples, batch_size=8)[0][:, 1]
    test.with_columns(pl.Series("score", scores), pl.col("malignant").cast(pl.Int8).alias("label")).write_parquet(
        folder / "predictions.parquet"
    )
    cohort.write_parquet(folder / "cohort.parquet")
    (folder / "split.json").write_text(json.dumps({"fingerprint": "abc"}))
    recipe = Recipe(name="tiny", source="cbis_ddsm", model=model, preprocess=SMALL)
    (folder / "recipe.json").write_text(recipe.model_dump_json())
    return folder


@pytest.fixture
def run(tmp_path: Path) -> Path:
    index = data_set(tmp_path / "cbis", source="cbis_ddsm", patients=range(36))
    return trained(tmp_path / "runs" / "tiny", index, cache=tmp_path / "cache")


def validated(run: Path, *indexes: Index, **more):
    return validate_externally(
        [run],
        indexes=indexes,
        out=run.parent.parent / "out",
        cache=run.parent.parent / "cache",
        workers=0,
        replicates=50,
        **more,
    )


def test_a_run_is_measured_on_its_own_test_part_and_on_every_woman_of_another_data_set(
    run: Path, tmp_path: Path
) -> None:
    rsna = data_set(tmp_path / "rsna", source="rsna", patients=range(100, 124), seed=1)

    found = validated(run, rsna)

    own, other = found.cells
    kept = pl.read_parquet(tmp_path / "out" / "external.parquet").filter(pl.col("tested_on") == "rsna")
    assert (own.external, own.metrics["auc"].n) == (False, 12)
    assert (other.external, other.metrics["auc"].n, other.excluded) == (True, 24, {})
    assert other.metrics["auc"].value == pytest.approx(roc_auc_score(kept["label"].to_list(), kept["score"].to_list()))
    assert other.loss.auc.value == pytest.approx(own.metrics["auc"].value - other.metrics["auc"].value)


def test_scores_are_those_that_the_bundle_gives_the_files(run: Path, tmp_path: Path) -> None:
    from mammoscope.models import predict_files

    validated(run, data_set(tmp_path / "rsna", source="rsna", patients=range(100, 104), seed=1))

    kept = pl.read_parquet(tmp_path / "out" / "external.parquet").filter(pl.col("tested_on") == "rsna")
    bundle = Bundle.from_pretrained(run / "bundle")
    files = [tmp_path / "rsna" / f"{number}.png" for number in range(100, 104)]
    np.testing.assert_allclose(
        [row["score"] for row in predict_files(bundle, files, workers=0)], kept["score"], atol=1e-5
    )


def test_women_of_train_and_tune_are_left_out_of_a_data_set_that_shows_the_same_women(
    run: Path, tmp_path: Path
) -> None:
    jpeg = data_set(tmp_path / "jpeg", source="cbis_ddsm_jpeg", patients=range(36), seed=1)

    cell = validated(run, jpeg).cells[1]

    kept = pl.read_parquet(tmp_path / "out" / "external.parquet").filter(pl.col("tested_on") == "cbis_ddsm_jpeg")
    assert list(cell.excluded.values()) == [24]
    assert set(kept["patient_id"]) == {f"P{number}" for number in range(2, 36, 3)}


def test_a_woman_is_known_by_her_id_in_a_merged_index_too(run: Path, tmp_path: Path) -> None:
    jpeg = data_set(tmp_path / "jpeg", source="cbis_ddsm_jpeg", patients=range(36), seed=1)
    prefixed = jpeg.table.with_columns(patient_id=pl.col("source") + ":" + pl.col("patient_id"))

    cell = validated(run, Index(table=prefixed, roots=jpeg.roots)).cells[1]

    assert list(cell.excluded.values()) == [24]


def test_copies_of_files_that_were_trained_on_are_found_under_other_names(run: Path, tmp_path: Path) -> None:
    copied = data_set(tmp_path / "own", source="table", patients=range(36))
    renamed = copied.table.with_columns(patient_id="W" + pl.col("patient_id"))

    cell = validated(run, Index(table=renamed, roots=copied.roots)).cells[1]

    assert cell.excluded == {"of patients with a copy of a file in train or tune": 24}


def test_women_of_unrelated_data_sets_who_are_numbered_alike_stay_but_are_counted(run: Path, tmp_path: Path) -> None:
    cell = validated(run, data_set(tmp_path / "rsna", source="rsna", patients=range(36), seed=1)).cells[1]

    assert cell.excluded == {}
    assert any("24 patient ids are also ids in train or tune" in note for note in cell.notes)


def test_negatives_without_a_finding_are_not_benign_and_that_is_said(run: Path, tmp_path: Path) -> None:
    rsna = data_set(tmp_path / "rsna", source="rsna", patients=range(100, 110), benign=False)

    found = validated(run, rsna)

    assert "telling malignant from benign is another task" in " ".join(found.cells[1].notes)
    assert "labelled by biopsy in cbis_ddsm (12 of 12), by derived in rsna (5 of 5)" in " ".join(found.cells[1].notes)
    assert found.labels["rsna"].negatives_with_finding == 0


def test_labels_that_mean_the_same_raise_no_note(run: Path, tmp_path: Path) -> None:
    rsna = data_set(tmp_path / "rsna", source="rsna", patients=range(100, 140), seed=1)

    assert validated(run, rsna).cells[1].notes == ()


def test_a_bundle_of_another_split_is_refused(run: Path, tmp_path: Path) -> None:
    (run / "split.json").write_text(json.dumps({"fingerprint": "other"}))

    with pytest.raises(BundleError, match="trained on another split"):
        validated(run)


def test_files_that_cannot_be_read_are_counted_and_a_cell_without_images_says_so(run: Path, tmp_path: Path) -> None:
    rsna = data_set(tmp_path / "rsna", source="rsna", patients=range(100, 104))
    for number in range(100, 104):
        (tmp_path / "rsna" / f"{number}.png").write_bytes(b"no picture")

    cell = validated(run, rsna).cells[1]

    assert cell.excluded == {"that could not be read": 4}
    assert cell.reason == "no image is left: 4 that could not be read"


def test_a_sealed_test_part_counts_it(run: Path, tmp_path: Path) -> None:
    seal_run(run, budget=1)
    found = validated(run)
    pl.read_parquet(run / "predictions.parquet").with_columns(score=pl.col("score") * 0.9).write_parquet(
        run / "predictions.parquet"
    )

    assert found.sealed == ("sealed test set of 12 patients: evaluated 1 time, 1 different predictions of 1 allowed",)
    with pytest.raises(SealError, match="budget of 1"):
        validated(run)


def test_the_verb_prints_a_table_and_leaves_one(run: Path, tmp_path: Path) -> None:
    write_index(data_set(tmp_path / "rsna", source="rsna", patients=range(100, 112), seed=1), tmp_path / "rsna.parquet")
    words = ["external", run, "--on", tmp_path / "rsna.parquet", "--out", tmp_path / "out", "--workers", 0]

    done = CliRunner().invoke(app, [*map(str, words), "--cache", str(tmp_path / "cache"), "--device", "cpu"])

    rows = list(csv.DictReader((tmp_path / "out" / "external.csv").read_text().splitlines()))
    assert done.exit_code == 0, done.output
    assert "tiny, trained on cbis_ddsm, tested on rsna: AUC" in done.output
    assert [row["tested_on"] for row in rows] == ["cbis_ddsm", "rsna"]
