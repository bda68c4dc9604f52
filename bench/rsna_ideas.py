"""RSNA with small networks from random weights: what each idea adds to one plain recipe, all else alike.

One split by patient, six epochs for all. The base is `rsna-resnet18`; each idea changes one thing of it. The same
recipe with other seeds shows how far chance alone moves the answer: an idea that moves it less has shown nothing. Per
breast (the mean of its views), because one idea reads both views together; paired clustered DeLong against the base.

Whether weights from invented women help is asked of a network that learns on them: `from-phantom` is the recipe
`rsna-from-phantom`, and is held against `from-random`, the same recipe without its start.

    python bench/rsna_ideas.py --data FOLDER --out runs/ideas [--only base seed-1 ...]
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mammoscope.evaluation import Contender, auc_interval, delong_difference, read_contender
from mammoscope.evaluation.samples import Sample, sample_of, unit_rows
from mammoscope.evaluation.values import AGGREGATION, Estimate
from mammoscope.phantom import write_phantom
from mammoscope.pipeline import ensemble, measure, run_recipe
from mammoscope.training import Recipe, find_recipe

BASE = "rsna-resnet18"
NO_AUGMENTATION: dict[str, Any] = {
    "flip_vertical": 0.0,
    "shift": 0.0,
    "rotate_deg": 0.0,
    "zoom": 0.0,
    "contrast": 0.0,
}
PLAIN_STAGE = {"optimizer": "adam", "lr": 1e-4, "weight_decay": 0.0, "schedule": "constant", "warmup_epochs": 0.0}
IDEAS: Mapping[str, dict[str, dict[str, Any]]] = {
    "base": {},
    "seed-1": {"": {"seed": 1, "split_seed": 0}},
    "seed-2": {"": {"seed": 2, "split_seed": 0}},
    "age-view-implant": {"clinical": {"columns": ["age_years", "view", "implant"]}},
    "two-views": {"input": {"unit": "breast"}, "training": {"batch_size": 16}},
    "max-pool": {"model": {"pool": "max"}},
    "no-augmentation": {"augment": NO_AUGMENTATION},
    "no-class-weight": {"training": {"class_weight": "none"}},
    "plain-224": {
        "augment": NO_AUGMENTATION | {"flip_horizontal": 0.5},
        "preprocess": {"rows": 224, "cols": 224, "region": "whole", "flip": "none"},
        "training": {"class_weight": "none"},
        "stage": PLAIN_STAGE,
    },
}
AGAIN: dict[str, Any] = {"seed": 1, "split_seed": 0}
BEGUN: Mapping[str, dict[str, Any]] = {
    "from-random": {"start": None},
    "from-phantom": {},
    "from-random-1": {"start": None} | AGAIN,
    "from-phantom-1": AGAIN,
}
AGAINST = {"from-phantom": "from-random", "from-phantom-1": "from-random-1"}
SEEDS = ("base", "seed-1", "seed-2")


def changed(name: str) -> Recipe:
    """The base with one idea; `""` are the keys of the top level."""
    plain: dict[str, Any] = find_recipe("rsna-from-phantom" if name in BEGUN else BASE).model_dump(mode="json")
    plain |= {"name": name} | BEGUN.get(name, {})
    for section, keys in IDEAS.get(name, {}).items():
        if section == "":
            plain |= keys
        elif section == "stage":
            plain["stages"] = [stage | keys for stage in plain["stages"]]
        else:
            plain[section] = (plain[section] or {}) | keys
    return Recipe.model_validate_json(json.dumps(plain))


def phantom_start(out: Path, *, patients: int) -> Path:
    """Weights from invented women, trained as the recipe says."""
    run, data = out / "phantom-start", out / "phantom"
    if not (data / "done").is_file():
        write_phantom(data, layout="cbis_ddsm", patients=patients, seed=0, calcifications=0.3, workers=2)
        (data / "done").write_text("")
    run_recipe(find_recipe("phantom-start"), data=data, run=run, cache=out / "phantom-cache")
    return run


def per_breast(run: Path) -> Sample:
    """Its test rows, a breast each."""
    contender: Contender = read_contender(run)
    return sample_of(unit_rows(contender.rows, unit="breast", aggregation=AGGREGATION))


def told(estimate: Estimate) -> str:
    if estimate.value is None or estimate.low is None or estimate.high is None:
        return f"not defined: {estimate.reason}"
    return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f})"


def table(runs: Mapping[str, Path]) -> None:
    """One line a run: its AUC, and its difference from what it is held against, where that was run."""
    print("| idea | AUC per breast (95 %) | less that of | difference | p |\n|---|---|---|---|---|")
    for name, run in runs.items():
        sample, other = per_breast(run), AGAINST.get(name, "base")
        line = [name, told(auc_interval(sample)), "", "", ""]
        if other in runs and other != name:
            test = delong_difference(sample, per_breast(runs[other]))
            line[2:] = [other, told(test.difference), "" if test.p_value is None else f"{test.p_value:.3f}"]
        print(f"| {' | '.join(line)} |")


def main() -> None:
    """Run every idea and print the table."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--data", type=Path, required=True)
    arguments.add_argument("--out", type=Path, required=True)
    arguments.add_argument("--patients", type=int, default=600, help="of the phantom that one idea starts from")
    arguments.add_argument("--only", nargs="*", choices=[*IDEAS, *BEGUN])
    given = arguments.parse_args()
    out: Path = given.out
    runs = {}
    for name in given.only or (*IDEAS, *BEGUN):
        started = time.perf_counter()
        start = phantom_start(out, patients=given.patients) if name.startswith("from-phantom") else None
        done = run_recipe(changed(name), data=given.data, run=out / name, cache=out / "cache", start=start)
        print(f"{name:18} {time.perf_counter() - started:6.0f} s  {done.lines[0]}", flush=True)
        runs[name] = out / name
    if all(name in runs for name in SEEDS):
        runs["three-seeds"] = out / "three-seeds"
        ensemble([runs[name] for name in SEEDS], out=runs["three-seeds"], by="mean")
        measure(runs["three-seeds"])
    table(runs)


if __name__ == "__main__":
    sys.exit(main())
