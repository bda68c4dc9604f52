"""Intervals of ROC AUC over a screening table: 54,706 images of 11,913 patients, 1,158 positive.

Which image is of which patient, and which are positive, comes from the real table where `rsna_meta/train.csv` lies in
the data folder, else it is drawn in the same shape. Scores are drawn: a patient effect, noise, more for positives.

- ours against a loop over scikit-learn with the same draws. The loop runs fewer replicates a round, and its time is
  scaled to all of them: the table says so. Both give the same answer, to 1e-9: checked first.
- all metrics of `measure` with the same draws; BCa, which leaves out each patient besides; clustered DeLong.
- the floor is drawing the patients and nothing else.

Run: python bench/statistics.py [--json] [--replicates 2000] [--looped 60] [--rounds 5]
"""

import sysconfig
from pathlib import Path

if (
    __name__ == "statistics"
):  # another script of this folder, or what it imports, wants Python's own module of that name
    exec((Path(sysconfig.get_path("stdlib")) / "statistics.py").read_text(encoding="utf-8"), globals())  # noqa: S102
else:
    import numpy as np
    import polars as pl
    from parts.rounds import options_of, seconds, told
    from sklearn.metrics import roc_auc_score

    from mammoscope.evaluation import Sample, auc_interval, measure, patient_draws
    from mammoscope.evaluation.ranking import counted, ranked, roc_auc

PATIENTS, IMAGES, POSITIVES = 11_913, 54_706, 1_158


def screening(data: Path) -> "tuple[Sample, str]":
    """The table's own patients and labels, or drawn ones; and which of the two."""
    rng = np.random.default_rng(0)
    table = data / "rsna_meta" / "train.csv"
    if table.is_file():
        rows = pl.read_csv(table, columns=["patient_id", "cancer"])
        patients = rows["patient_id"].rank("dense").to_numpy().astype(np.int64) - 1
        labels, origin = rows["cancer"].to_numpy() == 1, "patients and labels of the real table"
    else:
        patients = np.sort(np.concatenate([np.arange(PATIENTS), rng.integers(0, PATIENTS, IMAGES - PATIENTS)]))
        labels, origin = np.zeros(IMAGES, dtype=np.bool_), "drawn patients and labels"
        labels[rng.choice(IMAGES, POSITIVES, replace=False)] = True
    count = int(patients.max()) + 1
    effect = rng.normal(size=count)[patients]
    scores = 1.0 / (1.0 + np.exp(-(1.1 * labels + 0.5 * effect + rng.normal(size=len(labels)))))
    return Sample(labels=labels, scores=scores, patients=patients, patient_count=count), origin


def looped(sample: "Sample", replicates: int) -> "np.ndarray":
    """What one writes first: put the drawn patients' rows together and ask scikit-learn."""
    order = np.argsort(sample.patients, kind="stable")
    members = np.split(order, np.searchsorted(sample.patients[order], np.arange(1, sample.patient_count)))
    rng = np.random.default_rng(0)
    found = []
    for _ in range(replicates):
        drawn = rng.integers(sample.patient_count, size=sample.patient_count)
        rows = np.concatenate([members[patient] for patient in drawn])
        found.append(float(roc_auc_score(sample.labels[rows], sample.scores[rows])))
    return np.array(found)


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--replicates", type=int, default=2000)
    parser.add_argument("--looped", type=int, default=60, help="replicates of the loop a round")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds; medians are given")
    options = parser.parse_args()
    sample, origin = screening(options.data)
    count, draws = options.replicates, {"replicates": options.replicates, "seed": 0}
    ranking = ranked(sample)
    ours = [roc_auc(counted(ranking, weights=w)) for w in patient_draws(sample.patient_count, replicates=20, seed=0)]
    gap = float(np.abs(np.concatenate(ours) - looped(sample, 20)).max())
    assert gap < 1e-9, f"the two disagree by {gap}"
    calls = {
        "ROC AUC, percentile": lambda: auc_interval(sample, method="percentile", **draws),
        "every metric, percentile": lambda: measure(sample, threshold=0.5, curves=False, **draws),
        "ROC AUC, BCa": lambda: auc_interval(sample, method="bca", **draws),
        "ROC AUC, clustered DeLong": lambda: auc_interval(sample, method="delong-logit"),
        "floor": lambda: sum(block.shape[1] for block in patient_draws(sample.patient_count, **draws)),
        "reference": lambda: looped(sample, options.looped),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for turn in range(options.rounds + 1):
        for name, call in calls.items():
            spent = seconds(call) * (count / options.looped if name == "reference" else 1.0)
            if turn:
                taken[name].append(spent)
    middle = {name: float(np.median(times)) for name, times in taken.items()}
    if not options.json:
        size = f"{len(sample.labels)} images, {sample.positives} positive, {sample.patient_count} patients"
        print(f"{size} ({origin}). Same draws: 20 replicates agree to {gap:.0e}. Medians of {options.rounds} rounds.")
        print(f"The reference (ROC AUC alone) ran {options.looped} replicates a round, scaled to {count}.\n")
    quick = middle["ROC AUC, percentile"]
    targets = {"ROC AUC, percentile": "ratio 100", "ROC AUC, clustered DeLong": "0.1 of ours"}
    for place, name in enumerate(name for name in calls if name not in {"floor", "reference"}):
        row = {
            "name": f"{name}, {count} replicates" if "DeLong" not in name else name,
            "n": options.rounds,
            "ours_s": round(middle[name], 4),
            "reference_s": round(middle["reference"], 2),
            "floor_s": round(middle["floor"], 3) if "DeLong" not in name else None,
            "ratio": round(middle["reference"] / middle[name], 1),
            "of_ours": round(middle[name] / quick, 3),
            "target": targets.get(name, ""),
        }
        told(row, as_json=options.json, first=not place)


if __name__ == "__main__":
    main()
