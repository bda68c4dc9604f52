"""What a bundle keeps to say "refer": conformal limits, and a gate on the vectors its scores rest on."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.combiners import MeanOf
from mammoscope.errors import BundleError, RecipeError
from mammoscope.evaluation import Conformal, evaluate, evaluate_task, fit_conformal, fit_gate, sample_of, unit_rows
from mammoscope.images import Preprocess
from mammoscope.models import (
    Bundle,
    ClinicalSettings,
    EnsembleManifest,
    Inputs,
    Manifest,
    SimpleCnn,
    Task,
    TimmModel,
    build,
    fit_clinical,
    load_bundle,
    predict_files,
    score,
    write_ensemble,
)
from mammoscope.models.scoring import score_and_embed
from mammoscope.pipeline import divide, fit, make_ready, measure
from mammoscope.pipeline.gating import conformal_of
from mammoscope.referral import Gate, read_gate
from mammoscope.training import Recipe, read_recipe
from planted import picture

if TYPE_CHECKING:
    from mammoscope.pipeline import Work

SMALL = Preprocess(rows=48, cols=32)
CUTS = Conformal(coverage=0.9, per_class=True, rows="all", limits=(0.5, 0.75), patients=(60, 40))
DENSITY = Task(name="density", classes=("A", "B", "C", "D"), kind="ordinal")


def bundle(**changes: object) -> Bundle:
    manifest = Manifest(name="tiny", meaning="m", model=SimpleCnn(channels=(4, 8)), preprocess=SMALL, **changes)
    return Bundle(manifest=manifest, network=build(manifest.design, seed=3).eval())


def gate_at(limit: float, *, features: int = 8) -> Gate:
    """Distance from the origin."""
    return Gate(
        kind="mahalanobis",
        centre=np.zeros(features),
        whitening=np.eye(features),
        known=np.empty((0, features)),
        neighbours=0,
        limit=limit,
        inside=0.9,
    )


def noise(path: Path, *, seed: int = 0) -> Path:
    cv2.imwrite(str(path), np.random.default_rng(seed).integers(0, 256, (256, 192)).astype(np.uint8))
    return path


def cli(*words: object) -> Any:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, f"{done.output}\n{done.exception!r}"
    return done


@pytest.fixture(scope="module")
def told() -> dict[str, Any]:
    return {
        "name": "tiny",
        "source": "cbis_ddsm",
        "split": {"kind": "ratio", "train": 0.4, "tune": 0.4, "test": 0.2},
        "preprocess": {"rows": 32, "cols": 24},
        "model": {"kind": "simple-cnn", "channels": [4, 8]},
        "training": {"batch_size": 8},
        "stages": [{"epochs": 1, "lr": 1e-3}],
        "measure": {"coverage": 0.6, "gate": 0.2, "replicates": 100},
    }


@pytest.fixture(scope="module")
def run(work: "Work", told: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A measured run whose recipe asks for both."""
    recipe, folder = Recipe.model_validate(told), tmp_path_factory.mktemp("referral") / "run"
    divide(recipe, work.index, run=folder)
    make_ready(recipe, work.index, run=folder, cache=work.cache, workers=0)
    fit(recipe, run=folder, cache=work.cache, device="cpu")
    measure(folder)
    return folder


def files_of(run: Path, work: "Work", part: str) -> list[Path]:
    rows = pl.read_parquet(run / "cohort.parquet").filter(pl.col("part").cast(pl.String) == part)
    return [work.index.file(row["source"], row["path"]) for row in rows.iter_rows(named=True)]


def test_noise_is_turned_away_and_pictures_of_the_tune_part_are_not(run: Path, work: "Work", tmp_path: Path) -> None:
    trained = load_bundle(run / "bundle")

    strange = predict_files(trained, [noise(tmp_path / f"{seed}.png", seed=seed) for seed in range(3)], workers=0)
    known = predict_files(trained, files_of(run, work, "tune"), workers=0)

    assert [row["unlike"]["code"] for row in strange] == ["unlike-training"] * 3
    assert all(row["unlike"]["distance"] > row["unlike"]["limit"] for row in strange)
    assert all(row["answer"] == "refer" and 0 <= row["score"] <= 1 and row["call"] for row in strange)
    away = [row["unlike"]["distance"] for row in known]
    assert np.median(away) < known[0]["unlike"]["limit"]
    assert max(away) < min(row["unlike"]["distance"] for row in strange)


def test_the_limit_is_that_of_a_gate_fitted_on_what_the_network_says_of_files(run: Path, work: "Work") -> None:
    trained = load_bundle(run / "bundle")
    cohort = pl.read_parquet(run / "cohort.parquet").filter(pl.col("part").cast(pl.String) == "tune")

    found = predict_files(trained, files_of(run, work, "tune"), workers=0)

    away = np.array([row["unlike"]["distance"] for row in found])
    assert trained.gate is not None
    assert trained.gate.inside == pytest.approx(0.8)
    assert np.abs(away - trained.gate.limit).min() < 1e-3 * trained.gate.limit  # one of them is the limit
    women = cohort["patient_id"].to_numpy()
    limit = 1.001 * trained.gate.limit  # of the picture that set it a file alone differs by rounding
    inside = {woman: away[women == woman].min() <= limit for woman in women}
    assert np.mean(list(inside.values())) >= 0.8


def test_the_bundle_keeps_the_limits_that_the_evaluation_measured(run: Path) -> None:
    told = json.loads((run / "metrics.json").read_text())["units"]["image"]["conformal"]

    kept = load_bundle(run / "bundle").manifest.conformal

    assert kept is not None
    assert kept.coverage == told["stated"] == 0.6
    assert kept.limits == (told["negative_to"], 1 - told["positive_from"])
    assert kept.patients == tuple(told["patients"][::-1])


def test_predict_says_what_its_answers_promise_and_marks_what_is_unlike(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    files = [noise(tmp_path / "noise.png"), files_of(run, work, "test")[0]]

    rows = json.loads(cli("predict", run / "bundle", *files, "--json", "--workers", 0).stdout)
    text = cli("predict", run / "bundle", *files, "--workers", 0)

    assert rows[0]["unlike"].keys() == {"code", "distance", "limit"}
    assert rows[0]["coverage"]["stated"] == 0.6
    assert "as if drawn from the same pot as the" in rows[0]["coverage"]["condition"]
    assert set(rows[0]["possible"]) <= {"negative", "positive"}
    assert rows[1]["answer"] in {"negative", "positive", "refer"}
    first = text.stdout.splitlines()[0]
    assert first.startswith(f"{rows[0]['score']:.4f}  {rows[0]['call']}")
    assert "refer" in first
    assert "[unlike-training: " in first
    assert "at least 60% of new women" in text.stderr


@pytest.mark.parametrize(
    ("limits", "possible", "answer"),
    [
        ((0.0, 1.0), ["positive"], "positive"),
        ((1.0, 0.0), ["negative"], "negative"),
        ((1.0, 1.0), ["negative", "positive"], "refer"),
        ((0.0, 0.0), [], "refer"),
    ],
)
def test_where_several_classes_or_none_are_possible_a_file_is_referred(
    limits: tuple[float, float], possible: list[str], answer: str, tmp_path: Path
) -> None:
    picture(tmp_path / "a.png")
    made = bundle(threshold=0.0, conformal=CUTS.model_copy(update={"limits": limits}))

    row = predict_files(made, [tmp_path / "a.png"], workers=0)[0]

    assert (row["possible"], row["answer"], row["call"]) == (possible, answer, "positive")
    assert row["unlike"] is None


def test_of_several_classes_the_only_possible_one_is_the_answer(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    told = {"coverage": 0.8, "per_class": True, "rows": "all", "classes": tuple("ABCD"), "patients": (9, 9, 9, 9)}
    made = bundle(tasks=(DENSITY,), conformal=Conformal(limits=(0.0, 1.0, 0.0, 0.0), **told))

    row = predict_files(made, [tmp_path / "a.png"], workers=0)[0]

    assert (row["possible"], row["answer"]) == (["B"], "B")


def test_limits_and_gate_survive_saving_and_loading(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    rng = np.random.default_rng(0)
    gate = fit_gate(rng.normal(size=(40, 8)), tune=rng.normal(size=(40, 8)), kind="neighbours", neighbours=3)
    made = replace(bundle(conformal=CUTS), gate=gate)

    made.save_pretrained(tmp_path / "b")
    read = Bundle.from_pretrained(tmp_path / "b")

    assert read.manifest.conformal == CUTS
    before, after = (predict_files(one, [tmp_path / "a.png"], workers=0) for one in (made, read))
    assert before == after
    assert after[0]["unlike"]["limit"] == gate.limit
    assert "of at least 90% of new women" in (tmp_path / "b" / "README.md").read_text()


def test_a_bundle_saved_without_its_gate_leaves_no_gate_behind(tmp_path: Path) -> None:
    replace(bundle(), gate=gate_at(1.0)).save_pretrained(tmp_path)

    bundle().save_pretrained(tmp_path)

    assert not (tmp_path / "gate.safetensors").exists()
    assert Bundle.from_pretrained(tmp_path).gate is None


def test_a_bundle_from_before_these_fields_is_read_and_answers_as_it_did(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    bundle(threshold=0.5).save_pretrained(tmp_path / "b")
    plain = json.loads((tmp_path / "b" / "bundle.json").read_text())
    old = {name: value for name, value in plain.items() if name not in {"conformal", "gate_sha256"}}
    (tmp_path / "b" / "bundle.json").write_text(json.dumps(old))

    row = predict_files(load_bundle(tmp_path / "b"), [tmp_path / "a.png"], workers=0)[0]

    assert len(old) == len(plain) - 2
    assert [row[name] for name in ("answer", "possible", "coverage", "unlike")] == [None] * 4
    assert row["call"] in {"positive", "negative"}


def _remove(folder: Path) -> None:
    (folder / "gate.safetensors").unlink()


def _touch(folder: Path) -> None:
    gate_at(2.0).save(folder / "gate.safetensors")


def _other_classes(folder: Path) -> None:
    plain = json.loads((folder / "bundle.json").read_text())
    plain["conformal"]["classes"] = ["A", "B"]
    (folder / "bundle.json").write_text(json.dumps(plain))


def _other_limits(folder: Path) -> None:
    plain = json.loads((folder / "bundle.json").read_text())
    plain["conformal"]["limits"] = [0.5]
    (folder / "bundle.json").write_text(json.dumps(plain))


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (_remove, "gate.safetensors is missing, or not the file"),
        (_touch, "gate.safetensors is missing, or not the file"),
        (_other_classes, "conformal limits of A, B, and the answer is one of negative, positive"),
        (_other_limits, "1 limits of 2 classes"),
    ],
)
def test_a_bundle_whose_limits_are_not_its_own_is_refused(
    damage: Callable[[Path], None], why: str, tmp_path: Path
) -> None:
    replace(bundle(conformal=CUTS), gate=gate_at(1.0)).save_pretrained(tmp_path)
    damage(tmp_path)

    with pytest.raises(BundleError, match=why):
        Bundle.from_pretrained(tmp_path)


def test_a_gate_of_another_network_is_refused(tmp_path: Path) -> None:
    replace(bundle(), gate=gate_at(1.0, features=5)).save_pretrained(tmp_path)

    with pytest.raises(BundleError, match="is of 5 values, and the network gives 8"):
        Bundle.from_pretrained(tmp_path)


@pytest.mark.parametrize("changed", ["kind", "whitening", "known", "numbers"])
def test_a_file_with_other_arrays_is_no_gate(changed: str, tmp_path: Path) -> None:
    gate_at(1.0).save(tmp_path / "g.safetensors")
    arrays = load_file(tmp_path / "g.safetensors")
    kind = "magic" if changed == "kind" else "mahalanobis"
    save_file(
        arrays if changed == "kind" else arrays | {changed: np.zeros((2, 2))},
        tmp_path / "g.safetensors",
        metadata={"kind": kind},
    )

    with pytest.raises(BundleError, match="g.safetensors: not a gate"):
        read_gate(tmp_path / "g.safetensors")


@pytest.mark.parametrize("turns", [(), ("flip-vertical",)])
@pytest.mark.parametrize("layer", [None, "pooled", "hidden", "network.conv1"])
@pytest.mark.parametrize("columns", [(), ("age_years",)])
def test_scores_and_vectors_come_out_of_one_pass_and_are_those_of_two(
    turns: tuple[str, ...], layer: str | None, columns: tuple[str, ...]
) -> None:
    model = TimmModel(backbone="resnet18")
    ages = fit_clinical(pl.DataFrame({"age_years": [40.0, 60.0]}), ClinicalSettings(columns=("age_years",)))
    manifest = Manifest(name="n", meaning="m", model=model, preprocess=SMALL, clinical=ages if columns else None)
    network = build(manifest.design, seed=0, fetch=False).eval()
    inputs = Inputs(torch.rand(2, 1, 48, 32), clinical=torch.rand(2, manifest.design.clinical) if columns else None)
    if layer is not None:
        layer = next(name for name, _ in network.named_modules() if name.endswith("conv1")) if "." in layer else layer
        width = network.embedding(inputs, layer=layer).shape[1]
        network.estimator, network.layer = torch.nn.Linear(width, 1), layer
    seen: list[int] = []
    first = next(module for module in network.network.modules() if isinstance(module, torch.nn.Conv2d))
    first.register_forward_hook(lambda _module, into, _out: seen.append(len(into[0])))

    chances, vectors = score_and_embed(network, [inputs], turns=turns)

    assert seen == [2] * (1 + len(turns))
    np.testing.assert_array_equal(chances[0], score(network, [inputs], turns=turns)[0])
    with torch.inference_mode():
        np.testing.assert_allclose(vectors, network.vectors(inputs.pixels).numpy(), atol=1e-6)


def test_an_ensemble_tells_of_the_member_that_a_picture_is_least_like(tmp_path: Path) -> None:
    picture(tmp_path / "a.png")
    for name, limit in (("near", 100.0), ("far", 1e-9)):
        replace(bundle(), gate=gate_at(limit)).save_pretrained(tmp_path / name)
    bundle().save_pretrained(tmp_path / "none")
    told = EnsembleManifest(
        name="e", members=dict.fromkeys(("near", "far", "none"), ""), combiner=MeanOf(), conformal=CUTS
    )
    write_ensemble(tmp_path / "e", manifest=told, members={name: tmp_path / name for name in told.members})

    row = predict_files(load_bundle(tmp_path / "e"), [tmp_path / "a.png"], workers=0)[0]

    alone = predict_files(load_bundle(tmp_path / "none"), [tmp_path / "a.png"], workers=0)[0]
    assert row["score"] == pytest.approx(alone["score"])
    assert (row["unlike"]["code"], row["unlike"]["limit"]) == ("unlike-training", 1e-9)
    assert row["coverage"]["stated"] == 0.9


def predictions(seed: int, *, decimals: int) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    labels = np.arange(80) % 2
    scores = np.clip(rng.normal(0.35 + 0.3 * labels, 0.25), 0, 1).round(decimals)
    codes = [f"p{at // 2}" for at in range(80)] if decimals % 2 else [f"p{at}" for at in range(80)]
    part = ["tune" if int(code[1:]) % 2 else "test" for code in codes]
    names = [f"i{at}" for at in range(80)]
    return pl.DataFrame({"part": part, "label": labels, "score": scores, "patient_id": codes, "image_id": names})


@settings(max_examples=15)
@given(seed=st.integers(0, 1000), decimals=st.integers(1, 17), coverage=st.sampled_from([0.5, 0.8, 0.99]))
def test_the_limits_in_the_metrics_answer_as_those_that_were_fitted(seed: int, decimals: int, coverage: float) -> None:
    table = predictions(seed, decimals=decimals)
    tune = sample_of(unit_rows(table, unit="image").filter(pl.col("part") == "tune"))
    fitted = fit_conformal(tune, coverage=coverage)

    unit = evaluate(table, coverage=coverage, replicates=2).to_json()["units"]["image"]
    kept = conformal_of(json.loads(json.dumps(unit)))

    assert kept is not None
    np.testing.assert_array_equal(kept.sets(tune.scores), fitted.sets(tune.scores))
    assert (kept.patients, kept.reason) == (fitted.patients, fitted.reason)


def test_limits_of_several_classes_are_read_from_their_metrics() -> None:
    rng = np.random.default_rng(1)
    chances = rng.dirichlet((1, 1, 1), size=60)
    table = pl.DataFrame(
        {"part": ["tune", "test"] * 30, "label": [str("ABC"[at]) for at in rng.permutation(np.arange(60) % 3)]}
        | {f"score_{name}": chances[:, at] for at, name in enumerate("ABC")}
        | {"patient_id": [f"p{at}" for at in range(60)], "image_id": [f"i{at}" for at in range(60)]}
    )

    facts = evaluate_task(table, task="density", coverage=0.7, replicates=2).to_json()
    kept = conformal_of(facts["units"]["image"])

    assert kept is not None
    assert kept.classes == ("A", "B", "C")
    told = facts["units"]["image"]["conformal"]["possible_from"]
    assert [1 - limit for limit in kept.limits] == pytest.approx([told[name] for name in "ABC"])


def test_without_a_coverage_or_a_tune_part_there_are_no_limits() -> None:
    table = predictions(0, decimals=3)

    plain = evaluate(table, replicates=2).to_json()["units"]["image"]
    untuned = evaluate(table.filter(pl.col("part") == "test"), coverage=0.9, replicates=2).to_json()["units"]["image"]

    assert conformal_of(plain) is None
    assert conformal_of(untuned) is None


def test_too_few_tune_women_for_a_gate_are_refused_before_training(
    run: Path, work: "Work", told: dict[str, Any], tmp_path: Path
) -> None:
    recipe = Recipe.model_validate(told | {"measure": {"gate": 0.01}})
    divide(recipe, work.index, run=tmp_path)
    make_ready(recipe, work.index, run=tmp_path, cache=work.cache, workers=0)

    with pytest.raises(RecipeError, match="gate = 0.01: a share so small takes 99 tune patients, and there are"):
        fit(recipe, run=tmp_path, cache=work.cache, device="cpu")

    assert not (tmp_path / "checkpoints").exists()


def test_a_gate_that_is_no_share_is_refused_in_its_line(tmp_path: Path) -> None:
    text = 'name = "t"\nsource = "cbis_ddsm"\n[[stages]]\nepochs = 1\nlr = 1e-3\n[measure]\ngate = 1.5\n'
    (tmp_path / "t.toml").write_text(text)

    with pytest.raises(RecipeError, match="gate is 1.5"):
        read_recipe(tmp_path / "t.toml")
