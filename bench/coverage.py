"""How often a 95 % interval of AUC holds the truth, resampling patients against resampling images.

Simulated studies of two normal score distributions, 1.2 standard deviations apart (true AUC 0.802). Each patient has
four images with one label, which share a part of their variance: 0 means four independent images, 1 four copies of one.

Run: python bench/coverage.py [--json] [--studies 500]
"""

import argparse
import json
from math import erf

import numpy as np

from mammoscope.evaluation import Sample, estimates, measure

SHIFT, IMAGES, PREVALENCE, REPLICATES = 1.2, 4, 0.3, 500
TRUE_AUC = 0.5 * (1 + erf(SHIFT / 2))
SETTINGS = ((50, 0.0), (50, 0.5), (50, 0.8), (200, 0.0), (200, 0.5), (200, 0.8))


def study(rng: np.random.Generator, *, patients: int, shared: float) -> Sample:
    codes = np.repeat(np.arange(patients), IMAGES)
    labels = (rng.random(patients) < PREVALENCE)[codes]
    noise = np.sqrt(shared) * rng.normal(size=patients)[codes] + np.sqrt(1 - shared) * rng.normal(size=len(codes))
    return Sample(labels=labels, scores=SHIFT * labels + noise, patients=codes, patient_count=patients)


def unclustered(sample: Sample) -> Sample:
    """The same rows, each taken for a patient of its own."""
    rows = len(sample.labels)
    return Sample(labels=sample.labels, scores=sample.scores, patients=np.arange(rows), patient_count=rows)


def held(sample: Sample) -> tuple[bool, float]:
    auc = estimates(measure(sample, replicates=REPLICATES, curves=False))["auc"]
    if auc.low is None or auc.high is None:
        return False, 1.0
    return auc.low <= TRUE_AUC <= auc.high, auc.high - auc.low


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--studies", type=int, default=500)
    options = parser.parse_args()
    if not options.json:
        print("| patients | shared variance | held, patients resampled | width | held, images resampled | width |")
        print("|---|---|---|---|---|---|")
    for patients, shared in SETTINGS:
        rng = np.random.default_rng(0)
        studies = [study(rng, patients=patients, shared=shared) for _ in range(options.studies)]
        found = {
            name: np.array([held(change(one)) for one in studies])
            for name, change in (("patients", lambda one: one), ("images", unclustered))
        }
        row = {"patients": patients, "shared": shared}
        for name, values in found.items():
            row |= {f"held_{name}": round(values[:, 0].mean(), 3), f"width_{name}": round(values[:, 1].mean(), 3)}
        print(json.dumps(row) if options.json else "| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
