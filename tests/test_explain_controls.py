"""Controls: labels that changed hands, maps held against each other, and that nobody uses a control by mistake."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import spearmanr
from typer.testing import CliRunner

from mammoscope.batches import Samples
from mammoscope.cli import app
from mammoscope.errors import BundleError, RecipeError
from mammoscope.explain import (
    Picture,
    likeness_table,
    map_likeness,
    rank_correlation,
    structural_similarity,
)
from mammoscope.models import Bundle, Design, SimpleCnn, build, predict_files
from mammoscope.models.ensemble import together
from mammoscope.pipeline import compare_maps, divide, fit, make_ready, measure, rank_runs
from mammoscope.training import Recipe, control_of, permuted, training_data

if TYPE_CHECKING:
    from mammoscope.pipeline import Work


def samples(patients: list[int], labels: list[int]) -> Samples:
    return Samples(
        files=[Path(str(n)) for n in range(len(labels))],
        labels=np.array(labels, dtype=np.int64)[:, None],
        patients=np.array(patients, dtype=np.int64),
    )


@given(seed=st.integers(0, 1000), counts=st.lists(st.integers(1, 4), min_size=2, max_size=8))
@settings(max_examples=40)
def test_every_patient_gets_the_labels_of_exactly_one_other(seed: int, counts: list[int]) -> None:
    patients = [person for person, count in enumerate(counts) for _ in range(count)]
    told = samples(patients, patients)  # each patient's label is her own number

    found = permuted(told, seed=seed).main

    given_to = [set(found[told.patients == person].tolist()) for person in range(len(counts))]
    assert all(len(one) == 1 for one in given_to)
    assert sorted(one.pop() for one in map(set, given_to)) == list(range(len(counts)))
    assert all(person not in found[told.patients == person] for person in range(len(counts)))


def test_labels_of_a_patient_keep_their_order_and_are_repeated_or_cut() -> None:
    found = permuted(samples([0, 0, 0, 1, 1], [0, 1, 1, 1, 0]), seed=0)

    assert found.main.tolist() == [1, 0, 1, 0, 1]


def test_the_same_seed_gives_the_same_control_and_another_seed_another() -> None:
    told = samples(list(range(50)), list(range(50)))

    assert np.array_equal(permuted(told, seed=3).main, permuted(told, seed=3).main)
    assert not np.array_equal(permuted(told, seed=3).main, permuted(told, seed=4).main)


def recipe(**changes: object) -> Recipe:
    return Recipe.model_validate(
        {
            "name": "tiny",
            "source": "cbis_ddsm",
            "preprocess": {"rows": 32, "cols": 24},
            "model": {"kind": "simple-cnn", "channels": [4, 8]},
            "training": {"batch_size": 8},
            "stages": [{"epochs": 1, "lr": 1e-3}],
            "measure": {"replicates": 200},
            **changes,
        }
    )


def test_a_control_differs_in_its_labels_and_its_name_and_may_not_have_seen_true_ones() -> None:
    told = control_of(recipe(), seed=5)

    assert (told.name, told.permute_labels) == ("tiny-permuted-labels", 5)
    assert told.model_copy(update={"name": "tiny", "permute_labels": None}) == recipe()
    with pytest.raises(RecipeError, match="start = 'other' has seen true labels"):
        control_of(recipe(start="other"), seed=5)


@pytest.fixture(scope="module")
def runs(work: "Work", tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A run and its control."""
    folder = tmp_path_factory.mktemp("controls")
    for name, asked in (("run", recipe()), ("control", control_of(recipe(), seed=1))):
        divide(asked, work.index, run=folder / name)
        make_ready(asked, work.index, run=folder / name, cache=work.cache, workers=0)
        fit(asked, run=folder / name, cache=work.cache, device="cpu")
    return folder / "run", folder / "control"


def test_a_control_is_trained_on_other_labels_of_the_same_pictures(runs: tuple[Path, Path], work: "Work") -> None:
    cohort = pl.read_parquet(runs[0] / "cohort.parquet")

    true = training_data(cohort, recipe=recipe(), cache=work.cache)
    told = training_data(cohort, recipe=control_of(recipe(), seed=1), cache=work.cache)

    assert told.train.files == true.train.files
    assert told.fingerprint != true.fingerprint
    assert not np.array_equal(told.train.main, true.train.main)
    assert not np.array_equal(told.tune.main, true.tune.main)


def test_its_predictions_have_the_true_labels_and_its_numbers_say_what_it_is(runs: tuple[Path, Path]) -> None:
    true, told = (pl.read_parquet(run / "predictions.parquet") for run in runs)

    facts = measure(runs[1])

    assert told["label"].to_list() == true["label"].to_list()
    assert any("a control: train and tune labels were exchanged" in one for one in facts["warnings"])
    assert Bundle.from_pretrained(runs[1] / "bundle").manifest.meaning.startswith("nothing: a control")


def test_a_control_is_not_predicted_with_not_ranked_and_no_member_of_an_ensemble(runs: tuple[Path, Path]) -> None:
    bundles = [Bundle.from_pretrained(run / "bundle") for run in runs]

    with pytest.raises(BundleError, match="tiny-permuted-labels: is a control"):
        predict_files(bundles[1], [runs[1]])
    with pytest.raises(RecipeError, match="control: is a control, trained on labels that were exchanged"):
        rank_runs(runs)
    with pytest.raises(BundleError, match="ensemble: tiny-permuted-labels is a control"):
        together(bundles)


def test_the_maps_of_a_run_are_held_against_its_control_and_random_weights(runs: tuple[Path, Path]) -> None:
    said = ["explain", "--run", str(runs[0]), "--against", str(runs[1]), "--method", "smooth-grad", "--images", "6"]

    done = CliRunner().invoke(app, said)

    found = json.loads((runs[0] / "likeness-control.json").read_text())
    assert done.exit_code == 0, done.output
    assert "control (a control, labels exchanged), tune part" in done.stdout
    assert (found["control"], found["permute_labels"], found["recipes_differ"]) == (True, 1, [])
    assert [row["against"] for row in found["table"]] == [
        *("control", "random weights", "brightness of the picture", "its map of another picture")
    ]


def test_a_run_held_against_itself_is_the_same(runs: tuple[Path, Path]) -> None:
    found = compare_maps(runs[0], against=runs[0], method="smooth-grad", images=4, replicates=20)

    (same,) = [row for row in found["table"] if row["against"] == "run"]
    assert found["control"] is False
    assert same["rank"]["value"] == pytest.approx(1.0)
    assert same["ssim"]["value"] == pytest.approx(1.0)


def test_runs_of_other_pictures_or_another_split_are_refused(runs: tuple[Path, Path], tmp_path: Path) -> None:
    bundle = Bundle.from_pretrained(runs[1] / "bundle")
    changes = {
        "preprocess": {"preprocess": bundle.manifest.preprocess.model_copy(update={"flip": "none"})},
        "was split differently": {"data": {**bundle.manifest.data, "split": "other"}},
    }
    for said, change in changes.items():
        other = replace(bundle, manifest=bundle.manifest.model_copy(update=change))
        other.save_pretrained(tmp_path / said / "bundle")
        with pytest.raises(BundleError, match=said):
            compare_maps(runs[0], against=tmp_path / said)


# likeness of maps


def test_ssim_is_the_equation_written_out() -> None:
    rng = np.random.default_rng(0)
    one, other = (rng.random((11, 11)).astype(np.float32) for _ in range(2))
    y, x = np.mgrid[-5:6, -5:6]
    window = np.exp(-(x**2 + y**2) / (2 * 1.5**2))
    window /= window.sum()
    means = [(window * a).sum() for a in (one, other)]
    spreads = [(window * (a - m) ** 2).sum() for a, m in zip((one, other), means, strict=True)]
    both = (window * (one - means[0]) * (other - means[1])).sum()
    c1, c2 = 0.01**2, 0.03**2
    centre = (2 * means[0] * means[1] + c1) * (2 * both + c2)
    centre /= (means[0] ** 2 + means[1] ** 2 + c1) * (sum(spreads) + c2)
    padded = [np.pad(a, 5, mode="symmetric") for a in (one, other)]
    each = []
    for row in range(11):
        for col in range(11):
            a, b = (p[row : row + 11, col : col + 11] for p in padded)
            m, n = (window * a).sum(), (window * b).sum()
            va, vb = (window * (a - m) ** 2).sum(), (window * (b - n) ** 2).sum()
            cov = (window * (a - m) * (b - n)).sum()
            each.append((2 * m * n + c1) * (2 * cov + c2) / ((m**2 + n**2 + c1) * (va + vb + c2)))

    assert each[60] == pytest.approx(centre)
    assert structural_similarity(one, other) == pytest.approx(np.mean(each), abs=1e-6)


@given(seed=st.integers(0, 300))
@settings(max_examples=25)
def test_ranks_are_those_of_scipy_over_the_breast_alone(seed: int) -> None:
    rng = np.random.default_rng(seed)
    one, other, breast = rng.random((6, 5)), rng.random((6, 5)), rng.random((6, 5)) < 0.6
    breast[0, :3] = True

    found = rank_correlation(one, other, within=breast)

    assert found == pytest.approx(spearmanr(one[breast], other[breast]).statistic)
    assert rank_correlation(one, np.zeros((6, 5)), within=breast) is None


def shown(n: int) -> Picture:
    rng = np.random.default_rng(n)
    grey = rng.integers(1, 65535, (32, 24)).astype(np.uint16)
    return Picture(image_id=str(n), patient_id=str(n // 2), source="own", grey=grey, truth=None)


def test_a_network_is_like_itself_and_undefined_maps_are_counted_and_not_averaged() -> None:
    design = Design(model=SimpleCnn(channels=(4, 8), norm="none"), rows=32, cols=24)
    network, dead = build(design, seed=0).eval(), build(design, seed=0).eval()
    with torch.no_grad():
        for parameter in dead.parameters():
            parameter.zero_()

    rows = map_likeness(
        network, [shown(n) for n in range(6)], others={"same": network, "dead": dead}, method="smooth-grad"
    )
    table = {row["against"]: row for row in likeness_table(rows, replicates=20)}

    assert table["same"]["rank"]["value"] == pytest.approx(1.0)
    assert (table["same"]["pictures"], table["same"]["defined"]) == (6, 6)
    assert (table["dead"]["defined"], table["dead"]["rank"]["value"]) == (0, None)
    assert table["its map of another picture"]["pictures"] == 5
    assert abs(table["brightness of the picture"]["rank"]["value"]) < 0.9
