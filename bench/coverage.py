"""How often a 95 % interval of AUC holds the truth, patients being clusters, for each way of making it.

Simulated studies of two normal score distributions, 1.2 standard deviations apart (true AUC 0.802) or 2.4 (0.955).
Each patient has four images that share a part of their variance: 0 means four independent images, 1 four copies of
one. Labels are a patient's (all four images positive or none, the worst case for who ignores patients), or a breast's
(two and two); 30 % are positive, or 8 %, as few positives as a screening study has.

The naive intervals take each image for a patient of its own: DeLong as usually applied, and images resampled.
A share of 1,000 studies is uncertain by 0.7 percentage points (one standard error) where 95 % are held.

`--alternatives` measures, on the same studies, other forms of clustered DeLong that were tried before Student's t with
Brunner and Munzel's degrees of freedom on the log-odds scale was taken: the normal distribution there, as many degrees
of freedom as patients or as those of the smaller class, and the probit scale.

Run: python bench/coverage.py [--json] [--studies 1000] [--replicates 1000] [--alternatives]
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import erf, inf, sqrt

import numpy as np
from parts.rounds import options_of, told
from scipy.special import expit, logit
from scipy.stats import norm
from scipy.stats import t as student

from mammoscope.evaluation import IntervalMethod, Sample, auc_interval
from mammoscope.evaluation.delong import Placements, auc_covariance, degrees_of_freedom, placements

IMAGES = 4


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One kind of study."""

    patients: int
    shared: float
    labels: str = "patient"
    positive: float = 0.3
    shift: float = 1.2

    @property
    def truth(self) -> float:
        """AUC of two normals with variance 1, `shift` apart."""
        return 0.5 * (1 + erf(self.shift / 2))


SETTINGS = (
    *(Setting(patients=patients, shared=shared) for patients in (50, 200) for shared in (0.0, 0.5, 0.8)),
    Setting(patients=200, shared=0.5, labels="breast"),
    Setting(patients=200, shared=0.5, positive=0.08),
    Setting(patients=50, shared=0.5, shift=2.4),
    Setting(patients=200, shared=0.5, positive=0.08, shift=2.4),
)
METHODS: dict[str, tuple[IntervalMethod, bool]] = {
    "percentile": ("percentile", True),
    "bca": ("bca", True),
    "delong": ("delong", True),
    "delong-logit": ("delong-logit", True),
    "naive delong": ("delong", False),
    "naive percentile": ("percentile", False),
}


def study(rng: np.random.Generator, setting: Setting) -> Sample:
    codes = np.repeat(np.arange(setting.patients), IMAGES)
    owners = codes if setting.labels == "patient" else np.arange(len(codes)) // 2
    labels = (rng.random(int(owners.max()) + 1) < setting.positive)[owners]
    own = rng.normal(size=setting.patients)[codes]
    noise = sqrt(setting.shared) * own + sqrt(1 - setting.shared) * rng.normal(size=len(codes))
    return Sample(labels=labels, scores=setting.shift * labels + noise, patients=codes, patient_count=setting.patients)


def unclustered(sample: Sample) -> Sample:
    """The same rows, each taken for a patient of its own."""
    rows = len(sample.labels)
    return Sample(labels=sample.labels, scores=sample.scores, patients=np.arange(rows), patient_count=rows)


def held(sample: Sample, method: str, *, truth: float, replicates: int) -> tuple[float, float]:
    """Whether the interval holds the truth, and its width; no interval holds nothing and is as wide as all."""
    kind, clustered = METHODS[method]
    found = auc_interval(sample if clustered else unclustered(sample), method=kind, replicates=replicates)
    if found.low is None or found.high is None:
        return 0.0, 1.0
    return float(found.low <= truth <= found.high), found.high - found.low


@dataclass(frozen=True, kw_only=True)
class Form:
    """A scale, and the degrees of freedom of Student's t on it."""

    freedom: Callable[[Placements], float]
    probit: bool = False

    def ends(self, found: Placements, variance: float) -> tuple[float, float]:
        """Lower and upper end of the 95 % interval."""
        reach = float(student.ppf(0.975, self.freedom(found))) * sqrt(variance)
        if self.probit:
            middle, step = norm.ppf(found.auc), reach / norm.pdf(norm.ppf(found.auc))
            return float(norm.cdf(middle - step)), float(norm.cdf(middle + step))
        middle, step = logit(found.auc), reach / (found.auc * (1.0 - found.auc))
        return float(expit(middle - step)), float(expit(middle + step))


ALTERNATIVES = {
    "logit, normal": Form(freedom=lambda _: inf),
    "logit, t of all patients": Form(freedom=lambda found: found.patients - 2),
    "logit, t of the smaller class": Form(
        freedom=lambda found: min(found.positive_patients, found.negative_patients) - 1
    ),
    "logit, t of Brunner and Munzel": Form(freedom=lambda found: degrees_of_freedom(found) or inf),
    "probit, t of Brunner and Munzel": Form(freedom=lambda found: degrees_of_freedom(found) or inf, probit=True),
}


def held_by(form: Form, sample: Sample, *, truth: float) -> tuple[float, float]:
    found = placements(sample)
    variance = None if found is None else auc_covariance(found, found)
    if found is None or not variance or not 0.0 < found.auc < 1.0:
        return 0.0, 1.0
    low, high = form.ends(found, variance)
    return float(low <= truth <= high), high - low


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--studies", type=int, default=1000)
    parser.add_argument("--replicates", type=int, default=1000, help="of each bootstrap interval")
    parser.add_argument("--alternatives", action="store_true", help="other forms of clustered DeLong instead")
    options = parser.parse_args()
    for place, setting in enumerate(SETTINGS):
        rng = np.random.default_rng(0)
        studies = [study(rng, setting) for _ in range(options.studies)]
        row = {
            "patients": setting.patients,
            "shared": setting.shared,
            "labels per": setting.labels,
            "positive": setting.positive,
            "true AUC": f"{setting.truth:.3f}",
        }
        for method in ALTERNATIVES if options.alternatives else METHODS:
            found = np.array(
                [
                    held_by(ALTERNATIVES[method], one, truth=setting.truth)
                    if options.alternatives
                    else held(one, method, truth=setting.truth, replicates=options.replicates)
                    for one in studies
                ]
            )
            row |= {method: f"{found[:, 0].mean():.3f}", f"width of {method}": f"{found[:, 1].mean():.3f}"}
        told(row, as_json=options.json, first=not place)


if __name__ == "__main__":
    main()
