"""A leaky evaluation and the honest one side by side: same pictures, same models, split by picture or by patient.

Each picture is read as any recipe reads it and made small. Two models that need no GPU score every picture by those
fitted on the other folds: the share of positives among its three nearest train pictures, and extremely randomised
trees. Split by picture, her other views are among the train pictures; split by patient, none is.
The AUC of both stand beside each other with intervals over patients, and their paired difference: the inflation.

Data: the real `rsna_jpeg640` below the data folder where it is, and phantoms in the same layout, drawn here.

Run: python bench/leak.py [--json] [--folds 5] [--draws 3] [--patients 300] [--data FOLDER]
"""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from parts.rounds import options_of, told
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline

from mammoscope.evaluation import Sample, auc_interval, delong_difference
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.phantom import write_phantom
from mammoscope.records import image_table
from mammoscope.sources import RSNA, build_index
from mammoscope.workers.many import over_files

SIDE = 48  # of a small picture, pixels

MODELS: dict[str, Callable[[], object]] = {
    "3 nearest pictures": lambda: make_pipeline(PCA(64, random_state=0), KNeighborsClassifier(3, weights="distance")),
    "randomised trees": lambda: ExtraTreesClassifier(200, min_samples_leaf=2, max_features=0.03, random_state=0),
}


@dataclass(frozen=True, kw_only=True)
class Pictures:
    """Small pictures, their labels, and whose they are."""

    pixels: np.ndarray
    labels: np.ndarray
    patients: np.ndarray


def small(path: Path) -> np.ndarray:
    pixels = read_mammogram(path, preprocess=Preprocess(rows=SIDE, cols=SIDE)).pixels
    return np.asarray(pixels, dtype=np.float64).ravel()


def read(work: Callable[[Path], tuple[Path, np.ndarray | None]], root: Path) -> Pictures:
    table = image_table(build_index(RSNA, root)).drop_nulls("malignant")
    paths = [root / path for path in table["path"].to_list()]
    found = dict(over_files(work, [path for path in paths if path.is_file()], crashed=lambda path, _: (path, None)))
    kept = [place for place, path in enumerate(paths) if found.get(path) is not None]
    rows = table[kept]
    return Pictures(
        pixels=np.stack([found[paths[place]] for place in kept]),
        labels=rows["malignant"].cast(int).to_numpy() == 1,
        patients=rows["patient_id"].rank("dense").to_numpy().astype(np.int64) - 1,
    )


def seen(path: Path) -> tuple[Path, np.ndarray | None]:
    return path, small(path)


def scored(pictures: Pictures, model: Callable[[], object], *, folds: int, seed: int, by_patient: bool) -> Sample:
    """Every picture, scored by the model that was fitted on the other folds."""
    rng = np.random.default_rng(seed)
    count = int(pictures.patients.max()) + 1
    drawn = rng.permutation(count if by_patient else len(pictures.labels)) % folds
    fold = drawn[pictures.patients] if by_patient else drawn
    scores = np.empty(len(pictures.labels))
    for number in range(folds):
        test = fold == number
        fitted = model().fit(pictures.pixels[~test], pictures.labels[~test])  # type: ignore[attr-defined]
        scores[test] = fitted.predict_proba(pictures.pixels[test])[:, 1]
    return Sample(labels=pictures.labels, scores=scores, patients=pictures.patients, patient_count=count)


def rows(name: str, pictures: Pictures, *, folds: int, draws: int) -> list[dict[str, object]]:
    """One row a model: both AUC with intervals, their difference, and the same over further draws of the folds."""
    found = []
    for model, made in MODELS.items():
        score = partial(scored, pictures, made, folds=folds)
        pairs = [(score(seed=s, by_patient=False), score(seed=s, by_patient=True)) for s in range(draws)]
        leaky, honest = (auc_interval(sample) for sample in pairs[0])
        inflation = delong_difference(*pairs[0])
        each = [delong_difference(*pair).difference.value or 0.0 for pair in pairs]
        found.append(
            {
                "data": name,
                "pictures": len(pictures.labels),
                "positive": int(pictures.labels.sum()),
                "patients": int(pictures.patients.max()) + 1,
                "model": model,
                "split by picture (leaks)": ends(leaky.value, leaky.low, leaky.high),
                "split by patient": ends(honest.value, honest.low, honest.high),
                "inflation": ends(inflation.difference.value, inflation.difference.low, inflation.difference.high),
                "p": f"{inflation.p_value:.2g}",
                f"inflation over {draws} draws": f"{min(each):.3f} to {max(each):.3f}",
            }
        )
    return found


def ends(value: float | None, low: float | None, high: float | None) -> str:
    return "-" if value is None or low is None or high is None else f"{value:.3f} ({low:.3f} to {high:.3f})"


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--folds", type=int, default=5)
    parser.add_argument("--draws", type=int, default=3, help="times the folds are drawn")
    parser.add_argument("--patients", type=int, default=300, help="phantoms to draw; 0: none")
    options = parser.parse_args()
    first = True
    real = options.data / "rsna_jpeg640"
    if not real.is_dir():
        print(f"{real.name}: not in the data folder; phantoms only")
    with tempfile.TemporaryDirectory() as folder:
        drawn = Path(folder) / "phantom"
        if options.patients:
            write_phantom(drawn, layout="rsna", patients=options.patients, seed=0, rows=384)
        for name, root in (("RSNA, real", real), ("phantom", drawn)):
            if not root.is_dir():
                continue
            for row in rows(name, read(seen, root), folds=options.folds, draws=options.draws):
                told(row, as_json=options.json, first=first)
                first = False


if __name__ == "__main__":
    main()
