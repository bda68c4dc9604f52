"""How often the interval holds the true AUC when a patient's images resemble each other."""

from math import erf

import numpy as np
import pytest

from mammoscope.evaluation import Sample, estimates, measure

SHIFT = 1.2
TRUE_AUC = 0.5 * (1 + erf(SHIFT / 2))  # two normals with variance 1, SHIFT apart


def study(rng: np.random.Generator, *, patients: int, images: int, shared: float) -> Sample:
    """Images of one patient share `shared` of their variance and their label."""
    codes = np.repeat(np.arange(patients), images)
    labels = (rng.random(patients) < 0.4)[codes]
    noise = np.sqrt(shared) * rng.normal(size=patients)[codes] + np.sqrt(1 - shared) * rng.normal(size=len(codes))
    return Sample(labels=labels, scores=SHIFT * labels + noise, patients=codes, patient_count=patients)


def held(one: Sample, *, replicates: int = 300) -> bool:
    auc = estimates(measure(one, replicates=replicates, curves=False))["auc"]
    return auc.low <= TRUE_AUC <= auc.high


@pytest.mark.slow
def test_intervals_over_patients_hold_the_truth_where_intervals_over_images_do_not() -> None:
    rng = np.random.default_rng(0)
    studies = [study(rng, patients=80, images=4, shared=0.8) for _ in range(120)]

    clustered = np.mean([held(one) for one in studies])
    naive = np.mean(
        [held(Sample(labels=s.labels, scores=s.scores, patients=np.arange(320), patient_count=320)) for s in studies]
    )

    assert 0.89 <= clustered <= 0.99  # 0.95 give or take three standard errors, 0.02 each
    assert naive < 0.80
