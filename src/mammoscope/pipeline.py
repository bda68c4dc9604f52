"""The whole chain on one run folder: each step reads files of the folder and leaves its own.

divide -> make_ready -> fit -> measure -> explain -> report. The steps are what the verbs of the
command line call; `run_recipe` calls them one after the other.
"""

import io
import json
import os
import platform
import subprocess
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope import __version__
from mammoscope.cohort import Findings, apply_split, audit, read_pixels, read_split, split, write_split
from mammoscope.errors import RecipeError, SourceError
from mammoscope.records import Index, image_table, read_index, write_index
from mammoscope.sources import build_index, source_named
from mammoscope.storage import whole_file, write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    import torch

    from mammoscope.training import Recipe, Trained, Watch

Progress = Callable[[int, int], None]
"""Called with (done, all)."""


def opened(index: Path, *, root: Path | None = None) -> Index:
    """Read an index, optionally of a data set that has moved to `root`.

    Raises:
        SourceError: It is not a sound index; `root` is not a folder, or given for an index of several sources.
    """
    found = read_index(index)
    if root is None:
        return found
    if not root.is_dir():
        raise SourceError(f"{root.name}: no such folder. Give --root the folder that the data set lies in now")
    if len(found.roots) > 1:
        raise SourceError(
            f"{index.name}: holds {sorted(found.roots)}; --root can move one source only. Index them apart"
        )
    return Index(table=found.table, roots=dict.fromkeys(found.roots, root))


def candidates(recipe: "Recipe", index: Index) -> tuple[pl.DataFrame, list[tuple[str, int]]]:
    """The images that a recipe asks for and that have a label, and how many each condition left.

    Returns:
        Image table; and a list of (what, number of images).
    """
    images = image_table(index)
    flow = [("records", index.table.height), ("images", images.height)]
    if recipe.select.views is not None:
        images = images.filter(pl.col("view").cast(pl.String).is_in([view.value for view in recipe.select.views]))
        flow.append(("of the views asked for", images.height))
    if not recipe.select.implants:
        images = images.filter(~pl.col("implant").fill_null(value=False))
        flow.append(("without implants", images.height))
    labelled = images.filter(pl.col("malignant").is_not_null())
    return labelled, [*flow, ("with a label", labelled.height)]


def checked(
    index: Index,
    *,
    run: Path | None = None,
    pixels: bool = False,
    width: float = 0.1,
    workers: int | None = None,
    progress: Progress | None = None,
) -> Findings:
    """Audit an index and its files, and the split of a run; leaves `audit.json` in the run.

    Args:
        index: What is checked.
        run: A run folder; the pictures that its recipe leaves out are still checked.
        pixels: Read every picture once, too.
        width: Widest 95 % interval of the AUC that will do.
        workers: Processes that read pictures; one per processor when not given.
        progress: Told after each picture.

    Raises:
        SourceError: The run was split for other images than the index holds.
    """
    made = None
    if run is not None:
        from mammoscope.training import read_recipe

        if not (run / "split.json").is_file():
            raise SourceError(f"{run.name}: is not a run folder with a split. Make it with: mammoscope split")
        images, _ = candidates(read_recipe(run / "recipe.json"), index)
        made = read_split(run / "split.json", images=images)
    seen = read_pixels(index, workers=workers, progress=progress) if pixels else None
    found = audit(index, split=made, duplicates=True, pixels=seen, width=width)
    if run is not None:
        write_text(run / "audit.json", json.dumps(found.as_json(), indent=2))
    return found


def divide(recipe: "Recipe", index: Index, *, run: Path) -> pl.DataFrame:
    """Choose the images that take part, and split them by patient.

    Leaves `recipe.json`, `index.parquet`, `split.json`, `flow.json`, `cohort.parquet`.

    Returns:
        The cohort table.

    Raises:
        SourceError: The split leaks, or cannot be made from these patients.
        RecipeError: The folder holds the run of another recipe, or the recipe selects no image.
    """
    labelled, flow = candidates(recipe, index)
    if labelled.is_empty():
        counts = ", ".join(f"{count} {what}" for what, count in flow)
        raise RecipeError(
            f"{recipe.name}: no image is left to take part: {counts}. Widen [select], or index other data"
        )
    made = split(labelled, recipe.split, seed=recipe.seed)
    _claim(run, recipe)
    cohort = apply_split(labelled, made)
    write_index(index, run / "index.parquet")
    write_split(made, run / "split.json")
    write_text(run / "flow.json", json.dumps([*flow, ("in the split", cohort.height)]))
    _write_table(cohort, run / "cohort.parquet")
    return cohort


def _claim(run: Path, recipe: "Recipe") -> None:
    """Make the run folder this recipe's, or refuse."""
    from mammoscope.training import read_recipe

    file = run / "recipe.json"
    if file.is_file() and read_recipe(file) != recipe:
        raise RecipeError(
            f"{run.name}: is the run of another recipe, or of another version of {recipe.name}. "
            "Choose another --out, or delete this folder"
        )
    write_text(file, recipe.model_dump_json(indent=2))


def make_ready(
    recipe: "Recipe",
    index: Index,
    *,
    run: Path,
    cache: Path,
    workers: int | None = None,
    progress: Progress | None = None,
) -> pl.DataFrame:
    """Prepare the pictures of the cohort; leaves `prepare.json` and completes `cohort.parquet`.

    Returns:
        The cohort table with `file` and `mean_intensity`, both empty where an image could not be read.

    Raises:
        SourceError: No image could be read.
        StorageError: The cache cannot be written.
    """
    from mammoscope.batches import prepare

    started = time.perf_counter()
    cohort = pl.read_parquet(run / "cohort.parquet").drop("file", "mean_intensity", strict=False)
    table = prepare(
        cohort, roots=index.roots, preprocess=recipe.preprocess, folder=cache, workers=workers, progress=progress
    )
    failed = table.filter(pl.col("code").is_not_null()).select("source", "image_id", "code", "message")
    facts = {
        "prepared": table.height - failed.height,
        "failed": failed.to_dicts(),
        "seconds": round(time.perf_counter() - started, 2),
        "preprocess": recipe.preprocess.model_dump(mode="json"),
    }
    write_text(run / "prepare.json", json.dumps(facts, indent=2))
    if failed.height == table.height:
        first = failed["message"][0] if failed.height else "the cohort is empty"
        raise SourceError(f"none of {table.height} images could be read; the first: {first}")
    files = table.filter(pl.col("code").is_null()).select("source", "image_id", "file", "mean_intensity")
    ready = cohort.join(files, on=["source", "image_id"], how="left", maintain_order="left")
    _write_table(ready, run / "cohort.parquet")
    return ready


def fit(recipe: "Recipe", *, run: Path, cache: Path, device: str = "auto", watch: "Watch | None" = None) -> "Trained":
    """Train, then score the tune and test parts once with the best weights.

    Leaves `checkpoints/`, `history.jsonl`, `predictions.parquet`, `environment.json`, `bundle/`.

    Raises:
        RecipeError: The cohort cannot be trained on, or the folder holds another run's checkpoint.
    """
    from mammoscope.models import Bundle, keep_memory
    from mammoscope.training import train, training_data

    started = time.perf_counter()
    keeps = keep_memory()
    where = device_named(device)
    ready = pl.read_parquet(run / "cohort.parquet").filter(pl.col("file").is_not_null())
    trained = train(recipe, data=training_data(ready, cache=cache), folder=run, device=where, watch=watch)
    _write_predictions(recipe, trained, ready, run=run, cache=cache)
    Bundle(manifest=_manifest(recipe, run=run), network=trained.network).save_pretrained(run / "bundle")
    facts = environment(where) | {
        "allocator_keeps_memory": keeps,
        "seed": recipe.seed,
        "training_seconds": round(sum(row["seconds"] for row in trained.history), 2),
        "last_session_seconds": round(time.perf_counter() - started, 2),
        "resumed_after_epoch": trained.resumed_after,
    }
    write_text(run / "environment.json", json.dumps(facts, indent=2))
    return trained


def measure(run: Path) -> dict[str, Any]:
    """Compute every number of a run from its predictions; leaves `metrics.json` and completes the bundle.

    Returns:
        What `metrics.json` holds.

    Raises:
        SourceError: The folder has no predictions, or they are not sound.
    """
    from mammoscope.evaluation import evaluate

    settings = read_json(run, "recipe.json", made_by="mammoscope split")["measure"]
    predictions = read_table(run, "predictions.parquet", made_by="mammoscope train")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    result = evaluate(
        predictions,
        cohort=cohort,
        rule=settings["threshold"],
        at_least=None if settings["threshold"] == "youden" else settings["at_least"],
        replicates=settings["replicates"],
        confidence=settings["confidence"],
    )
    facts = result.to_json()
    write_text(run / "metrics.json", json.dumps(facts, indent=2))
    _complete_bundle(run, facts)
    return facts


def explain(run: Path, *, each: int = 4, root: Path | None = None) -> list[dict[str, Any]]:
    """Draw Grad-CAM maps of the clearest hits and errors on the test part; leaves `explanations/`.

    Args:
        run: A measured run folder.
        each: Pictures in each of the four groups.
        root: Folder of the data set, if it has moved.

    Returns:
        One row a picture, as in `explanations.json`.
    """
    from mammoscope.explain import explain_predictions
    from mammoscope.models import Bundle

    return explain_predictions(
        read_table(run, "predictions.parquet", made_by="mammoscope train"),
        bundle=Bundle.from_pretrained(run / "bundle"),
        index=opened(run / "index.parquet", root=root),
        folder=run / "explanations",
        each=each,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a whole run leaves."""

    report: Path
    findings: int  # errors of the audit and images that could not be read
    lines: list[str]  # the answer in a few lines


def run_recipe(
    recipe: "Recipe",
    *,
    data: Path,
    run: Path,
    cache: Path,
    workers: int | None = None,
    device: str = "auto",
    say: Callable[[str], None] = lambda _: None,
    counted: Callable[[str], AbstractContextManager[Progress]] | None = None,
    epochs: Callable[[], AbstractContextManager["Watch"]] | None = None,
) -> Done:
    """Index, audit, split, prepare, train, evaluate, explain, report.

    Args:
        recipe: What decides the result.
        data: Folder of the recipe's data set.
        run: Run folder to make, or to go on with.
        cache: Folder of prepared pictures; several runs may share one.
        workers: Processes that read images; one per processor when not given.
        device: Where to train: cpu, cuda, mps, auto.
        say: Told a line before each step.
        counted: Gives a progress bar for work on files.
        epochs: Gives a progress bar for training.

    Returns:
        The report's path, the number of findings, and the answer in a few lines.
    """
    from mammoscope.models import check_fit
    from mammoscope.report import summary_lines, write_report

    check_fit(recipe.model, rows=recipe.preprocess.rows, cols=recipe.preprocess.cols)
    say(f"index     {recipe.source}")
    index = build_index(source_named(recipe.source), data)
    say(f"split     {recipe.split.kind}, by patient")
    divide(recipe, index, run=run)
    say(f"audit     {index.table.height} records, their files, and the split")
    found = checked(index, run=run)
    with (counted or _silent_count)("prepare  ") as progress:
        ready = make_ready(recipe, index, run=run, cache=cache, workers=workers, progress=progress)
    with (epochs or _silent_epochs)() as watch:
        fit(recipe, run=run, cache=cache, device=device, watch=watch)
    say("evaluate  on the test part")
    facts = measure(run)
    say("explain   Grad-CAM")
    explain(run)
    say("report")
    failed = ready["file"].null_count()
    errors = found.counts.get("error", 0)
    lines = summary_lines(facts)
    if failed or errors:
        lines = [*lines, f"findings: {errors} audit errors, {failed} images could not be read; the report lists them"]
    return Done(report=write_report(run), findings=failed + errors, lines=lines)


def device_named(name: str) -> "torch.device":
    """A device by its name; `auto` takes CUDA, then MPS, then the CPU.

    Raises:
        RecipeError: There is no such device on this machine.
    """
    import torch

    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise RecipeError(f"--device {name}: not to be had here ({reason}). Use cpu or auto") from error
    return device


def environment(device: "torch.device") -> dict[str, Any]:
    """Versions and machine, for the record; no host name, user or path."""
    import torch

    packages = ("torch", "timm", "numpy", "scikit-learn", "polars", "pydicom", "opencv-python-headless")
    gpu = torch.cuda.get_device_name(device) if device.type == "cuda" else None
    return {
        "mammoscope": __version__,
        "commit": _commit(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "processors": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "device": gpu or device.type,
        "packages": {name: version(name) for name in packages},
    }


def _commit() -> str | None:
    """The commit of the checkout this code runs from; None when it was installed otherwise."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--match="]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def _write_predictions(recipe: "Recipe", trained: "Trained", ready: pl.DataFrame, *, run: Path, cache: Path) -> None:
    from mammoscope.batches import Samples
    from mammoscope.training import scores_of

    rows = ready.filter(pl.col("part") != Part.TRAIN.value)
    labels = rows["malignant"].to_numpy().astype(bool)
    samples = Samples(files=[cache / name for name in rows["file"]], labels=labels)
    scores = scores_of(trained.network, samples, recipe=recipe)
    table = rows.with_columns(
        pl.Series("score", scores, dtype=pl.Float64),
        pl.col("malignant").cast(pl.Int8).alias("label"),
        pl.concat_str("patient_id", pl.col("laterality").cast(pl.String), separator="_").alias("breast_id"),
    ).drop("file", "path", "malignant")
    _write_table(table, run / "predictions.parquet")


def _write_table(table: pl.DataFrame, path: Path) -> None:
    """Write a table whole; the bytes first, so that a full disk is told by the file system and not by Polars."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    with whole_file(path) as temporary:
        temporary.write_bytes(buffer.getvalue())


def _manifest(recipe: "Recipe", *, run: Path) -> Any:
    from mammoscope.models import Manifest

    return Manifest(
        name=recipe.name,
        target=recipe.target,
        meaning="the breast in this picture has a malignant finding, as the data set's own labels define it",
        model=recipe.model,
        preprocess=recipe.preprocess,
        precision=recipe.training.precision,
        recipe=recipe.model_dump(mode="json"),
        data={
            "sources": _sources(run),
            "split": read_json(run, "split.json", made_by="mammoscope split")["fingerprint"],
        },
        code={"mammoscope": __version__, "commit": _commit(), "torch": version("torch"), "timm": version("timm")},
    )


def _sources(run: Path) -> list[str]:
    """The data sets that a run was made of, as its cohort says."""
    return sorted(read_table(run, "cohort.parquet", made_by="mammoscope split")["source"].unique())


def _complete_bundle(run: Path, facts: dict[str, Any]) -> None:
    """Write threshold and results into the bundle of a measured run."""
    from mammoscope.models import Bundle

    if not (run / "bundle" / "bundle.json").is_file():
        return
    bundle = Bundle.from_pretrained(run / "bundle")
    unit = facts["units"]["image"]
    threshold = unit["threshold"]
    manifest = bundle.manifest.model_copy(
        update={
            "threshold": threshold["value"],
            "threshold_rule": f"{threshold['rule']} on {threshold['chosen_on']}",
            "results": {name: unit["test"][name] for name in ("auc", "sensitivity", "specificity")},
        }
    )
    Bundle(manifest=manifest, network=bundle.network).save_pretrained(run / "bundle")


def read_json(run: Path, name: str, *, made_by: str) -> Any:
    """A JSON file of a run folder.

    Raises:
        SourceError: It is not there or not JSON; the text says which command makes it.
    """
    try:
        return json.loads((run / name).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(f"{run.name}: has no {name}. Make it with: {made_by}") from None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"{run.name}/{name}: is damaged ({error}). Make it again with: {made_by}") from error


def read_table(run: Path, name: str, *, made_by: str) -> pl.DataFrame:
    """A Parquet table of a run folder.

    Raises:
        SourceError: It is not there or not Parquet; the text says which command makes it.
    """
    try:
        return pl.read_parquet(run / name)
    except FileNotFoundError:
        raise SourceError(f"{run.name}: has no {name}. Make it with: {made_by}") from None
    except (pl.exceptions.PolarsError, OSError) as error:
        reason = str(error).splitlines()[0]
        raise SourceError(f"{run.name}/{name}: is damaged ({reason}). Make it again with: {made_by}") from error


def _silent_count(_: str) -> AbstractContextManager[Progress]:
    from contextlib import nullcontext

    return nullcontext(lambda _done, _all: None)


def _silent_epochs() -> AbstractContextManager["Watch"]:
    from contextlib import nullcontext

    return nullcontext(lambda _: None)
