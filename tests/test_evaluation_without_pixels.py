"""The assessment alone and the metadata alone, against worked examples and published tables."""

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from mammoscope.evaluation import assessment_auc, metadata_auc
from mammoscope.records import image_table, index_of
from mammoscope.sources import build_index, source_named


def lesions(assessments: list[int | None], malignant: list[bool | None]) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "patient_id": [str(n) for n in range(len(assessments))],
            "assessment": assessments,
            "malignant": malignant,
            "lesion_id": "1",
            "lesion_kind": "mass",
            "official_part": pl.Series([None] * len(assessments), dtype=pl.String),
            "label_origin": "biopsy",
        }
    )


def test_incomplete_stands_between_probably_benign_and_suspicious() -> None:
    found = assessment_auc(lesions([3, 0, 0, 4], [False, True, False, True]), replicates=10)

    assert [row.auc.value for row in found] == [(1 + 1 + 0.5 + 1) / 4]  # of four pairs one is a tie


def test_rows_without_assessment_or_label_do_not_count() -> None:
    found = assessment_auc(lesions([5, 2, None, 4], [True, False, True, None]), replicates=10)

    assert (found[0].auc.n, found[0].auc.value) == (2, 1.0)
    assert assessment_auc(lesions([None], [True]), replicates=10) == []


def test_a_label_that_a_reader_gave_is_called_circular() -> None:
    table = lesions([5, 2], [True, False]).with_columns(pl.lit("reader").alias("label_origin"))

    assert "circular" in str(assessment_auc(table, replicates=10)[0].note)


def images(*, patients: int, effect: float, machine: bool = False) -> pl.DataFrame:
    draw = np.random.default_rng(1)
    malignant = draw.random(patients) < 0.4
    age = 55 + 8 * draw.standard_normal(patients) + effect * malignant
    return pl.DataFrame(
        {
            "source": "own",
            "patient_id": [str(n) for n in range(patients)],
            "image_id": [str(n) for n in range(patients)],
            "malignant": malignant,
            "density": pl.Series([None] * patients, dtype=pl.String),
            "age_years": age,
            "machine_id": np.where(malignant, "A", "B") if machine else np.full(patients, "A"),
        }
    )


def test_metadata_is_scored_by_folds_that_have_not_seen_the_patient() -> None:
    table = images(patients=400, effect=8.0)

    found = metadata_auc(table, replicates=50)

    in_sample = roc_auc_score(table["malignant"].to_numpy(), table["age_years"].to_numpy())
    assert found.auc is not None
    assert found.auc.value == pytest.approx(in_sample, abs=0.02)
    assert found.used == ("age_years",)
    assert found.dropped["machine_id"] == "the same in every train image"


def test_a_machine_that_gives_the_label_away_is_found() -> None:
    found = metadata_auc(images(patients=100, effect=0.0, machine=True), replicates=50)

    assert found.auc is not None
    assert found.auc.value is not None
    assert found.auc.value > 0.99


def test_metadata_of_too_few_patients_or_of_no_column_is_no_result() -> None:
    few = metadata_auc(images(patients=6, effect=0.0), replicates=10)
    nothing = metadata_auc(images(patients=80, effect=0.0).drop("age_years", "machine_id"), replicates=10)

    assert few.auc is None
    assert "nothing can be" in str(few.reason)
    assert nothing.auc is None
    assert "no metadata column varies" in str(nothing.reason)


@pytest.mark.data
def test_the_assessment_of_the_official_cbis_test_rows(real_data: Path) -> None:
    rows = []
    for file in sorted((real_data / "cbis_ddsm_csv").glob("*_set.csv")):
        with file.open(newline="", encoding="utf-8") as table:
            rows += [row | {"part": "test" if "test" in file.name else "train"} for row in csv.DictReader(table)]
    table = pl.DataFrame(
        {
            "patient_id": [row["patient_id"] for row in rows],
            "assessment": [int(row["assessment"]) for row in rows],
            "malignant": [row["pathology"] == "MALIGNANT" for row in rows],
            "lesion_id": [row["abnormality id"] for row in rows],
            "lesion_kind": [row["abnormality type"] for row in rows],
            "official_part": [row["part"] for row in rows],
            "label_origin": "biopsy",
        }
    )

    found = {row.kind: row.auc for row in assessment_auc(table, replicates=100) if row.part == "test"}

    values = {kind: round(auc.value or 0, 3) for kind, auc in found.items()}
    assert values == {"all": 0.790, "mass": 0.832, "calcification": 0.745}
    assert found["all"].patients == 349


@pytest.mark.data
def test_metadata_alone_on_rsna(real_data: Path) -> None:
    index = build_index(source_named("rsna"), real_data / "rsna_jpeg640")

    found = metadata_auc(image_table(index), replicates=100)

    assert found.auc is not None
    assert found.auc.value == pytest.approx(0.64, abs=0.02)


def test_an_index_is_taken_as_it_is(tmp_path: Path) -> None:
    from mammoscope.records import Record

    records = [
        Record(source="own", patient_id=str(n), image_id=str(n), path=f"{n}.png", malignant=n > 1, assessment=n + 1)
        for n in range(4)
    ]

    found = assessment_auc(index_of(records, roots={"own": tmp_path}).table, replicates=10)

    assert [(row.unit, row.auc.value) for row in found] == [("image", 1.0)]
