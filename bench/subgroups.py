"""Level and power of the gap test: how often it says that groups differ, where none does and where one does.

Run: python bench/subgroups.py [--studies 1000] [--json]. Women have four images whose scores are correlated (0.49).
"""

import argparse
import json

import numpy as np

from mammoscope.evaluation import gap_p_value, patient_draws
from mammoscope.evaluation.ranking import counted, ranked, roc_auc
from mammoscope.evaluation.samples import Sample

REPLICATES, LEVEL, FEW, IMAGES = 400, 0.05, 10, 4
SCENES = [  # groups, women a group, share with cancer, shift of their scores, groups within a woman, loss of the last
    (2, 50, 0.30, 1.0, False, 0.0),
    (4, 60, 0.25, 1.0, False, 0.0),
    (2, 60, 0.25, 1.0, True, 0.0),
    (4, 80, 0.25, 2.0, False, 0.0),
    (2, 200, 0.30, 1.5, False, 0.0),
    (4, 100, 0.30, 1.5, False, 1.0),
]


def p_value(rng: np.random.Generator, scene: tuple[int, int, float, float, bool, float]) -> float | None:
    groups, women, share, shift, within, loss = scene
    count = groups * women
    patients = np.repeat(np.arange(count), IMAGES)
    labels = (rng.random(count) < share)[patients]
    own = rng.normal(size=count)[patients]
    group = np.tile(np.arange(IMAGES) % groups, count) if within else patients // women
    signal = np.where(group == groups - 1, shift - loss, shift)
    scores = 0.7 * own + 0.714 * rng.normal(size=len(patients)) + signal * labels + 0.3 * group
    samples = [
        Sample(labels=labels[group == g], scores=scores[group == g], patients=patients[group == g], patient_count=count)
        for g in range(groups)
    ]
    if any(len(np.unique(s.patients[s.labels == one])) < FEW for s in samples for one in (True, False)):
        return None
    sorted_once = [ranked(sample) for sample in samples]
    whole = np.ones((count, 1))
    values = np.array([roc_auc(counted(one, weights=whole))[0] for one in sorted_once])
    draws = patient_draws(count, replicates=REPLICATES, seed=int(rng.integers(1 << 31)))
    blocks = [np.stack([roc_auc(counted(one, weights=weights)) for one in sorted_once]) for weights in draws]
    return gap_p_value(values, replicates=np.concatenate(blocks, axis=1))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--json", action="store_true")
    wanted = parser.parse_args()
    for number, scene in enumerate(SCENES):
        rng = np.random.default_rng([7, number])
        found = [p for _ in range(wanted.studies) if (p := p_value(rng, scene)) is not None]
        said = float(np.mean(np.array(found) < LEVEL)) if found else None
        row = dict(zip(("groups", "women", "share", "shift", "within", "loss"), scene, strict=True))
        row |= {"studies": len(found), "differs": said}
        print(json.dumps(row) if wanted.json else "  ".join(f"{key} {value}" for key, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
