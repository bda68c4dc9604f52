"""A pipeline whose known best AUC is 0.90 measures it within its interval."""

import numpy as np
import polars as pl
import pytest

from mammoscope.errors import RecipeError
from mammoscope.evaluation import estimates, evaluate, measure, sample_of, unit_rows
from mammoscope.phantom import difficulty_for, ideal_auc
from mammoscope.phantom.exam import VIEWS, draw_patient
from mammoscope.phantom.writing import official_parts
from mammoscope.vocabulary import Part

BEST = 0.90


def predictions(*, patients: int, seed: int) -> pl.DataFrame:
    """The table that a run writes, with the true probability for a score: no pixel is needed for it."""
    difficulty = difficulty_for(BEST)
    people = [draw_patient(number, seed=seed, difficulty=difficulty) for number in range(1, patients + 1)]
    parts = official_parts(people, seed)
    return pl.DataFrame(
        {
            "source": "cbis_ddsm",
            "image_id": f"{patient.patient_id}_{finding.breast.laterality}_{view}",
            "patient_id": patient.patient_id,
            "breast_id": f"{patient.patient_id} {finding.breast.laterality}",
            "laterality": finding.breast.laterality.value,
            "view": view.value,
            "part": "test" if part is Part.TEST else "tune",
            "label": int(finding.malignant),
            "score": finding.p_malignant,
        }
        for patient, part in zip(people, parts, strict=True)
        for finding in patient.findings
        for view in VIEWS
    )


def test_the_ideal_score_measures_the_known_auc_within_its_interval_per_image_and_breast() -> None:
    found = evaluate(predictions(patients=1500, seed=0), replicates=200)

    for unit in ("image", "breast"):
        auc = found.units[unit].test["auc"]
        assert auc.patients > 250
        assert auc.low < BEST < auc.high
        assert auc.high - auc.low < 0.09


def test_nineteen_of_twenty_intervals_hold_it_or_nearly_so() -> None:
    held = 0
    for seed in range(20):
        rows = unit_rows(predictions(patients=100, seed=seed), unit="image")
        auc = estimates(measure(sample_of(rows), replicates=300, curves=False))["auc"]
        held += auc.low <= BEST <= auc.high

    assert held >= 16  # of 20 at 95 %: fewer happens once in 400 times


def test_noise_on_the_ideal_score_measures_less() -> None:
    table = predictions(patients=600, seed=0)
    random = np.random.default_rng(0)
    noisy = table.with_columns(score=pl.Series(np.clip(table["score"] + random.normal(0, 0.5, table.height), 0, 1)))

    assert evaluate(noisy, replicates=200).units["image"].test["auc"].high < BEST


@pytest.mark.parametrize("auc", [0.5, 0.6, 0.75, 0.9, 0.99, 1.0])
def test_the_difficulty_of_an_auc_has_that_auc(auc: float) -> None:
    assert ideal_auc(difficulty_for(auc)) == pytest.approx(auc, abs=1e-5)


@pytest.mark.parametrize("auc", [0.49, 1.01])
def test_no_difficulty_has_an_auc_outside_its_range(auc: float) -> None:
    with pytest.raises(RecipeError, match=f"auc {auc} is not from 0.5 to 1"):
        difficulty_for(auc)
