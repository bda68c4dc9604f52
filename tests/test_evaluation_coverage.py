"""How often each interval holds the true AUC when a patient's images resemble each other."""

from math import erf

import numpy as np
import pytest

from mammoscope.evaluation import IntervalMethod, Sample, auc_interval

SHIFT = 1.2
TRUE_AUC = 0.5 * (1 + erf(SHIFT / 2))  # two normals with variance 1, SHIFT apart
CLUSTERED: tuple[IntervalMethod, ...] = ("percentile", "bca", "delong", "delong-logit")


def study(rng: np.random.Generator, *, patients: int, images: int, shared: float) -> Sample:
    """Images of one patient share `shared` of their variance and their label."""
    codes = np.repeat(np.arange(patients), images)
    labels = (rng.random(patients) < 0.4)[codes]
    noise = np.sqrt(shared) * rng.normal(size=patients)[codes] + np.sqrt(1 - shared) * rng.normal(size=len(codes))
    return Sample(labels=labels, scores=SHIFT * labels + noise, patients=codes, patient_count=patients)


def unclustered(one: Sample) -> Sample:
    rows = len(one.labels)
    return Sample(labels=one.labels, scores=one.scores, patients=np.arange(rows), patient_count=rows)


def share_held(studies: list[Sample], method: IntervalMethod) -> float:
    found = [auc_interval(one, method=method, replicates=200) for one in studies]
    return float(np.mean([auc.low <= TRUE_AUC <= auc.high for auc in found]))


@pytest.mark.slow
def test_intervals_over_patients_hold_the_truth_where_intervals_over_images_do_not() -> None:
    rng = np.random.default_rng(0)
    studies = [study(rng, patients=80, images=4, shared=0.8) for _ in range(150)]

    clustered = {method: share_held(studies, method) for method in CLUSTERED}
    naive = {method: share_held([unclustered(one) for one in studies], method) for method in CLUSTERED}

    assert all(0.89 <= held <= 0.99 for held in clustered.values()), clustered  # 0.95, three standard errors of 0.018
    assert all(held < 0.80 for held in naive.values()), naive


def test_clustered_delong_holds_the_truth_in_a_thousand_studies() -> None:
    rng = np.random.default_rng(1)
    studies = [study(rng, patients=60, images=4, shared=0.5) for _ in range(1000)]

    held = share_held(studies, "delong-logit")
    naive = share_held([unclustered(one) for one in studies], "delong-logit")

    assert 0.93 <= held <= 0.97
    assert naive < 0.85
