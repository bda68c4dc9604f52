"""What each value that an estimator reads is worth: impurity, coefficients, Shapley values."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from mammoscope.errors import BundleError

if TYPE_CHECKING:
    from mammoscope.explain import Seen
    from mammoscope.models import Bundle

BACKGROUND = 2000  # rows of train that SHAP compares with, at most
SHOWN = 20  # values that are told one by one

Row = dict[str, Any]


def column_places(bundle: "Bundle") -> dict[str, list[int]]:
    """Each clinical column, and its places among the encoded ones."""
    places: dict[str, list[int]] = {}
    at = 0
    for one in () if bundle.manifest.clinical is None else bundle.manifest.clinical.columns:
        places[one.column] = list(range(at, at + len(one.names)))
        at += len(one.names)
    return places


def of_estimator(
    bundle: "Bundle", seen: "tuple[Seen, Seen | None]", wanted: Sequence[str], *, samples: int, seed: int
) -> Row:
    """Impurity, coefficients and SHAP of what an estimator reads.

    Args:
        bundle: With an estimator, or nothing is told.
        seen: What the network made of the part, and of the train part, which SHAP compares with.
        wanted: Of the ways that the bundle has.
        samples: Rows that SHAP explains.
        seed: Of the rows that are drawn.

    Returns:
        A block for each way, ready for JSON.
    """
    from mammoscope.explain import vectors_read
    from mammoscope.models import importances

    estimator = bundle.network.estimator
    if estimator is None or not {"impurity", "coefficients", "shap"} & set(wanted):
        return {}
    vectors = vectors_read(bundle.network, seen[0])
    names, groups = names_read(bundle, width=vectors.shape[1])
    found: Row = {}
    if "impurity" in wanted:
        shares = importances(estimator)
        if shares is not None:
            what = "gain" if type(_inner(estimator)).__name__ == "Boosting" else "fall of impurity"
            found["impurity"] = {"what": what, **_told(shares[:, None], names, groups, outputs=[""])}
    if "coefficients" in wanted:
        slopes = _inner(estimator).slopes.detach().cpu().numpy()
        outputs = _outputs(bundle, count=len(slopes))
        found["coefficients"] = {"unit": "logit a standard deviation", **_told(slopes.T, names, {}, outputs=outputs)}
    if "shap" in wanted and seen[1] is not None:
        background = vectors_read(bundle.network, seen[1])
        found["shap"] = _shap(bundle, vectors, background, names, groups, samples=samples, seed=seed)
    return found


def _inner(estimator: Any) -> Any:
    """The estimator of single classes inside one of steps."""
    return getattr(estimator, "inner", estimator)


def _outputs(bundle: "Bundle", *, count: int) -> list[str]:
    classes = bundle.network.tasks[0].classes
    return [classes[1]] if count == 1 else list(classes)


def names_read(bundle: "Bundle", *, width: int) -> tuple[list[str], dict[str, list[int]]]:
    """What each value that an estimator reads is called, and which belong to one input."""
    from mammoscope.models import HistogramModel, histogram_names

    network, manifest = bundle.network, bundle.manifest
    if network.layer != "pooled":
        return [f"{network.layer} {at}" for at in range(width)], {}
    own = [] if manifest.clinical is None else list(manifest.clinical.names)
    pictures = width - len(own)
    model = manifest.model
    named = histogram_names(bins=model.bins) if isinstance(model, HistogramModel) else ()
    names = list(named) if len(named) == pictures else [f"picture {at}" for at in range(pictures)]
    groups = {name: [pictures + at for at in places] for name, places in column_places(bundle).items()}
    return [*names, *own], {**groups, "picture": list(range(pictures))}


def _told(
    values: Float[np.ndarray, "values outputs"], names: list[str], groups: dict[str, list[int]], *, outputs: list[str]
) -> Row:
    """The largest values by name, and the sum of each input."""
    order = np.argsort(-np.abs(values).max(axis=1), kind="stable")[:SHOWN]
    return {
        "outputs": outputs,
        "read": len(names),
        "inputs": [{"name": name, "values": values[places].sum(axis=0).tolist()} for name, places in groups.items()],
        "values": [{"name": names[at], "values": values[at].tolist()} for at in order.tolist()],
    }


def _shap(
    bundle: "Bundle",
    vectors: np.ndarray,
    background: np.ndarray,
    names: list[str],
    groups: dict[str, list[int]],
    *,
    samples: int,
    seed: int,
) -> Row:
    from mammoscope.explain import tree_shap

    rng = np.random.default_rng(seed)
    some = np.sort(rng.permutation(len(vectors))[:samples])
    others = np.sort(rng.permutation(len(background))[:BACKGROUND])
    estimator = bundle.network.estimator
    if estimator is None:
        raise BundleError("SHAP of trees: there is no estimator. Use permutation importance")
    shares = tree_shap(estimator, vectors[some], background=background[others])
    count = shares.values.shape[2]
    kept = [1] if shares.unit == "probability" and count == 2 else list(range(count))
    outputs = _outputs(bundle, count=len(kept))
    values = shares.values[:, :, kept]
    of_inputs = {name: values[:, places].sum(axis=1) for name, places in groups.items()}
    order = np.argsort(-np.abs(values).mean(axis=0).max(axis=1), kind="stable")[:SHOWN].tolist()
    return {
        "unit": shares.unit,
        "outputs": outputs,
        "expected": shares.expected[kept].tolist(),
        "rows": len(some),
        "of": len(vectors),
        "background": len(others),
        "read": len(names),
        "inputs": [
            {"name": name, "mean_abs": np.abs(one).mean(axis=0).tolist(), "shares": _rounded(one.T)}
            for name, one in of_inputs.items()
        ],
        "values": [
            {
                "name": names[at],
                "mean_abs": np.abs(values[:, at]).mean(axis=0).tolist(),
                "shares": _rounded(values[:, at].T),
                "levels": _rounded(vectors[some][:, at]),
            }
            for at in order
        ],
    }


def _rounded(values: np.ndarray) -> list[Any]:
    found: list[Any] = np.round(values.astype(np.float64), 6).tolist()
    return found
