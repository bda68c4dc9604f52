"""Patient-clustered bootstrap of ROC AUC: one sort and counts per slot, against a loop over scikit-learn.

Synthetic scores in the shape of a screening table: 54,706 images of 11,913 patients, 1,158 positive. Both sides get the
same draws. The loop runs fewer replicates, interleaved with ours, and its time is scaled to 2,000: the table says so.
The floor is drawing the patients and nothing else.

Run: python bench/intervals.py [--json]
"""

import argparse
import json
from statistics import median
from time import perf_counter

import numpy as np
from sklearn.metrics import roc_auc_score

from mammoscope.evaluation import Sample, measure, patient_draws

PATIENTS, IMAGES, POSITIVES, REPLICATES, LOOPED = 11_913, 54_706, 1_158, 2_000, 60


def screening() -> Sample:
    rng = np.random.default_rng(0)
    patients = np.sort(np.concatenate([np.arange(PATIENTS), rng.integers(0, PATIENTS, IMAGES - PATIENTS)]))
    labels = np.zeros(IMAGES, dtype=np.bool_)
    labels[rng.choice(IMAGES, POSITIVES, replace=False)] = True
    effect = rng.normal(size=PATIENTS)[patients]
    scores = 1.0 / (1.0 + np.exp(-(1.1 * labels + 0.5 * effect + rng.normal(size=IMAGES))))
    return Sample(labels=labels, scores=scores, patients=patients, patient_count=PATIENTS)


def looped(sample: Sample, replicates: int) -> list[float]:
    """What one writes first: put the drawn patients' rows together and ask scikit-learn."""
    members = np.split(np.arange(IMAGES), np.searchsorted(sample.patients, np.arange(1, PATIENTS)))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        drawn = rng.integers(PATIENTS, size=PATIENTS)
        rows = np.concatenate([members[patient] for patient in drawn])
        found.append(float(roc_auc_score(sample.labels[rows], sample.scores[rows])))
    return found


def timed(call) -> float:  # noqa: ANN001
    start = perf_counter()
    call()
    return perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are given")
    options = parser.parse_args()
    sample = screening()
    ours = measure(sample, replicates=LOOPED, curves=False).replicates["auc"]
    gap = float(np.abs(ours - looped(sample, LOOPED)).max())
    assert gap < 1e-9, f"the two disagree by {gap}"
    fast, slow, floor = [], [], []
    for _ in range(options.rounds):
        fast.append(timed(lambda: measure(sample, replicates=REPLICATES, curves=False)))
        slow.append(timed(lambda: looped(sample, LOOPED)) * REPLICATES / LOOPED)
        floor.append(timed(lambda: list(map(np.shape, patient_draws(PATIENTS, replicates=REPLICATES, seed=0)))))
    row = {
        "name": f"patient bootstrap of all metrics, {REPLICATES} replicates, {IMAGES} images",
        "ours_s": round(median(fast), 3),
        "reference_s": round(median(slow), 2),
        "floor_s": round(median(floor), 3),
        "ratio": round(median(slow) / median(fast), 1),
    }
    if options.json:
        print(json.dumps(row))
        return
    print(f"same draws: {LOOPED} replicates agree to {gap:.1e}. Medians of {options.rounds} interleaved rounds.")
    print(f"The reference (AUC alone) ran {LOOPED} replicates a round; its time is scaled to {REPLICATES}.\n")
    print("| name | ours_s | reference_s | floor_s | ratio |\n|---|---|---|---|---|")
    print("| " + " | ".join(str(value) for value in row.values()) + " |")


if __name__ == "__main__":
    main()
