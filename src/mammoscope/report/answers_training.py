"""What a run says of its model: which network, how it was trained, what it gives, how it can be made again."""

from typing import Any

from mammoscope.report.answers import Question, held, plain
from mammoscope.report.folder import RunFiles

INTENDED = (
    "research on mammograms; not a medical device, not validated for patient care, not to be used to recall, reassure "
    "or treat anybody"
)
PIXELS = (
    "the network is given the pixels of one picture: no label, no report, no clinical data; labels are joined to the "
    "scores afterwards"
)
LATER = "the images had been taken and labelled before the model was trained and tested on them"


def network_words(model: dict[str, Any]) -> str:
    """Which network, in short.

    Example:
        >>> network_words({"kind": "timm", "backbone": "resnet18"}), network_words({"kind": "simple-cnn"})
        ('resnet18 (timm)', 'simple-cnn')
    """
    backbone = model.get("backbone")
    return f"{plain(backbone)} ({plain(model['kind'])})" if backbone else plain(model["kind"])


def _kind(files: RunFiles) -> str:
    recipe = held(files.recipe)
    target = plain(recipe.get("target", "malignant"))
    return f"a deep neural network, {network_words(held(recipe['model']))}, that scores single mammograms as {target}"


def _goal(files: RunFiles) -> str:
    recipe = held(files.recipe)
    return f"development of a classifier and its internal test: recipe `{plain(recipe['name'])}`"


def _network(files: RunFiles) -> str:
    recipe = held(files.recipe)
    size = held(recipe["preprocess"])
    shape = f"one grey picture of {plain(size.get('rows'))} x {plain(size.get('cols'))} pixels in, one score out"
    return f"{shape}; {plain(held(recipe['model']))}\nthe layers are in the code of this version"


def _software(files: RunFiles) -> str:
    facts = held(files.environment)
    code = f"mammoscope {plain(facts['mammoscope'])}" + (
        f" at commit {plain(facts['commit'])}" if facts.get("commit") else " (commit unknown)"
    )
    packages = plain(held(facts.get("packages", {})))
    return f"{code}; Python {plain(facts.get('python'))}; {packages}; device {plain(facts.get('device'))}"


def _initial(files: RunFiles) -> str:
    recipe = held(files.recipe)
    pretrained = held(recipe["model"]).get("pretrained")
    match pretrained:
        case None | False:
            start = "random weights"
        case True:
            start = "pretrained weights of the backbone, by its name"
        case _:
            start = f"weights of the file {plain(pretrained)}"
    return f"{start}; seed {plain(recipe['seed'])}"


def _training(files: RunFiles) -> str:
    recipe = held(files.recipe)
    stages = [f"stage {place}: {plain(held(stage))}" for place, stage in enumerate(recipe["stages"], start=1)]
    said = stages + [f"{name}: {plain(held(recipe[name]))}" for name in ("training", "augment") if recipe.get(name)]
    if isinstance(files.history, list):
        said.append(f"epochs run: {len(files.history):,}")
    return "\n".join(said)


def _selection(files: RunFiles) -> str:
    if not isinstance(files.history, list):
        raise TypeError("no history")
    best = [row["epoch"] for row in files.history if row.get("best")]
    rule = "the epoch with the highest AUC on the tune part, then the lowest loss there"
    return f"{rule}: epoch {best[-1]} of {len(files.history)}; the test part was not used" if best else rule


def _imbalance(files: RunFiles) -> str:
    training = held(held(files.recipe)["training"])
    weight, sampling = plain(training["class_weight"]), plain(training["sampling"])
    return f"class weight {weight}; sampling {sampling}"


def _ensemble(files: RunFiles) -> str:
    held(held(files.recipe)["model"])
    return "none: one network"


def _reproduce(files: RunFiles) -> str:
    name = plain(held(files.recipe)["name"])
    return (
        f"recipe.json holds all settings: `mammoscope run {name} --data FOLDER --out RUN`, {name} being the recipe's "
        "name or its TOML file\nnumbers from predictions.parquet alone: `mammoscope evaluate RUN`"
    )


def _code(files: RunFiles) -> str:
    bundle = (files.folder / "bundle" / "bundle.json").is_file()
    made = "weights and all it takes to use them: bundle/" if bundle else "weights: none in the run folder"
    return f"code: {_software(files).partition(';')[0]}\n{made}"


def _stored(files: RunFiles) -> str:
    table = files.predictions
    return f"every score with its label: {len(table):,} rows of predictions.parquet"  # type: ignore[arg-type]


RECIPE, ENVIRONMENT = ("recipe.json",), ("environment.json",)
TRAINING: dict[str, Question] = {
    "intended": Question(files=(), say=lambda _: INTENDED),
    "pixels": Question(files=(), say=lambda _: PIXELS),
    "design": Question(files=(), say=lambda _: LATER),
    "kind": Question(files=RECIPE, say=_kind),
    "goal": Question(files=RECIPE, say=_goal),
    "network": Question(files=RECIPE, say=_network),
    "software": Question(files=ENVIRONMENT, say=_software),
    "initial": Question(files=RECIPE, say=_initial),
    "training": Question(files=RECIPE, say=_training, reads=("history.jsonl",)),
    "selection": Question(files=("history.jsonl",), say=_selection),
    "imbalance": Question(files=RECIPE, say=_imbalance),
    "ensemble": Question(files=RECIPE, say=_ensemble),
    "reproduce": Question(files=RECIPE, say=_reproduce),
    "code": Question(files=ENVIRONMENT, say=_code, reads=("bundle/bundle.json",)),
    "stored": Question(files=("predictions.parquet",), say=_stored),
}
"""What is asked of the model and its training, by name."""
