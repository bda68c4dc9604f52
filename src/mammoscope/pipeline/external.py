"""Trained on one data set, tested on others: each run on each index, without a woman it has seen."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from mammoscope.cohort.merge import OWN, SAME_WOMEN
from mammoscope.errors import BundleError
from mammoscope.evaluation.external import (
    ExternalCell,
    ExternalValidation,
    LabelProfile,
    cell_metrics,
    label_mismatches,
    label_profile,
    measured_cell,
    unpaired_loss,
)
from mammoscope.evaluation.measures import Measured
from mammoscope.evaluation.samples import checked
from mammoscope.pipeline.cohort import candidates
from mammoscope.pipeline.folder import read_json, read_table, write_table
from mammoscope.pipeline.machine import device_named
from mammoscope.pipeline.sealing import counted_look
from mammoscope.records import Index
from mammoscope.sources import SOURCES
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

if TYPE_CHECKING:
    from mammoscope.models import Bundle
    from mammoscope.training import Recipe

FEW = 10  # patients of a class below which the bootstrap cannot be trusted
KEPT = ("source", "patient_id", "image_id", "label", "score")
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """A run, its bundle, and whom it has seen."""

    run: Path
    name: str
    bundle: "Bundle"
    recipe: "Recipe"
    cohort: pl.DataFrame
    own: pl.DataFrame  # its scored test part
    labels: LabelProfile  # of what it was trained on

    @property
    def sources(self) -> tuple[str, ...]:
        return tuple(sorted(self.cohort["source"].unique()))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Settings:
    cache: Path
    workers: int | None
    replicates: int
    confidence: float
    seed: int
    break_seal: bool
    progress: Progress | None


def validate_externally(
    runs: Sequence[Path],
    *,
    indexes: Sequence[Index],
    out: Path,
    cache: Path,
    device: str = "auto",
    workers: int | None = None,
    replicates: int = 2000,
    confidence: float = 0.95,
    seed: int = 0,
    break_seal: bool = False,
    progress: Progress | None = None,
) -> ExternalValidation:
    """Measure runs on their own test parts and on other data sets; leaves external.json, .csv and .parquet in `out`.

    A model is never tested on a patient of its own train or tune part: not by her id in the same data set or in one
    that shows the same women, nor by a copy of one of her files. Thresholds are those of the bundles.

    Args:
        runs: Measured run folders; who was trained on is known from them, so a bundle alone will not do.
        indexes: Data sets to test on; each source of a merged index by itself.
        out: Folder for the table.
        cache: Folder of prepared pictures.
        device: cpu, cuda, mps or auto.
        workers: Guarded processes that read; one per processor when not given.
        replicates: Of the bootstrap over patients.
        confidence: Level of the intervals.
        seed: Of the replicates.
        break_seal: Look at a sealed test set whose budget is spent.
        progress: Told of files while pictures are prepared.

    Returns:
        One cell for each run on its own test part, and for each run on each data set.

    Raises:
        BundleError: A bundle is not the one of the split in its run folder.
        SourceError: A run is not complete.
        SealError: A test set is sealed and may not be looked at.
    """
    settings = _Settings(
        cache=cache,
        workers=workers,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        break_seal=break_seal,
        progress=progress,
    )
    cells: list[ExternalCell] = []
    tables: list[pl.DataFrame] = []
    sealed: list[str] = []
    profiles: dict[str, LabelProfile] = {}
    for run in runs:
        model = _opened(run, device=device)
        profiles.setdefault(model.labels.source, model.labels)
        own, own_measured, said = _own(model, settings)
        cells.append(own)
        sealed += said
        tables.append(_kept(model.own, own))
        for index in indexes:
            for source in sorted(index.table["source"].unique()):
                if source in model.sources and source not in OWN:
                    continue  # its own test part stands above
                part = Index(table=index.table.filter(pl.col("source") == source), roots=index.roots)
                cell, rows, profile, said = _cell(model, part, own=own_measured, source=source, settings=settings)
                cells.append(cell)
                sealed += said
                profiles.setdefault(source, profile)
                tables.append(_kept(rows, cell))
    found = ExternalValidation(
        cells=tuple(cells),
        labels=profiles,
        replicates=replicates,
        confidence=confidence,
        seed=seed,
        sealed=tuple(dict.fromkeys(sealed)),
    )
    write_text(out / "external.json", json.dumps(found.to_json(), indent=1) + "\n")
    write_text(out / "external.csv", _csv(found))
    write_table(pl.concat(tables), out / "external.parquet")
    return found


def _opened(run: Path, *, device: str) -> _Model:
    from mammoscope.models import Bundle
    from mammoscope.training import read_recipe

    bundle = Bundle.from_pretrained(run / "bundle")
    recipe = read_recipe(run / "recipe.json")
    cohort = read_table(run, "cohort.parquet", made_by="mammoscope train")
    split = read_json(run, "split.json", made_by="mammoscope split")
    told, sources = bundle.manifest.data.get("split"), sorted(cohort["source"].unique())
    if told != split.get("fingerprint") or sorted(bundle.manifest.data.get("sources", [])) != sources:
        raise BundleError(
            f"{run.name}: its bundle was trained on another split than the one in the folder, so whom it has seen is "
            "not known. Take the run folder that the bundle comes from, or train again"
        )
    predictions = checked(read_table(run, "predictions.parquet", made_by="mammoscope train"))
    own = predictions.filter(pl.col("part").cast(pl.String) == Part.TEST.value)
    seen = cohort.filter(pl.col("part").cast(pl.String) != Part.TEST.value)
    said = " and ".join(sources)
    bundle.network.to(device_named(device))
    return _Model(
        run=run,
        name=run.resolve().name,
        bundle=bundle,
        recipe=recipe,
        cohort=cohort,
        own=own,
        labels=label_profile(seen, source=said, says=_says(said)),
    )


def _own(model: _Model, settings: _Settings) -> tuple[ExternalCell, Measured, list[str]]:
    """The run's own test part, from its predictions: nothing is scored again."""
    with _look(model, model.own, settings) as looking:
        measured = _measured(model, model.own, seed=settings.seed, settings=settings)
        metrics = _metrics(model, measured, settings)
        looking.result = {"auc": metrics["auc"].value}
    cell = ExternalCell(
        model=model.name,
        trained_on=model.sources,
        tested_on=" and ".join(model.sources),
        external=False,
        metrics=metrics,
        loss=None,
        excluded={},
        notes=("the run's own test part",),
    )
    return cell, measured, [seal.sentence for seal in looking.seals]


def _cell(
    model: _Model, index: Index, *, own: Measured, source: str, settings: _Settings
) -> tuple[ExternalCell, pl.DataFrame, LabelProfile, list[str]]:
    images, _ = candidates(model.recipe, index)
    profile = label_profile(images, source=source, says=_says(source))
    notes = label_mismatches(model.labels, profile)
    images, excluded = _without_seen(images, model)
    notes += _shared_ids(images, model)
    empty = ExternalCell(
        model=model.name,
        trained_on=model.sources,
        tested_on=source,
        external=True,
        metrics={},
        loss=None,
        excluded=excluded,
        notes=tuple(notes),
    )
    rows, more = _scored(model, images, index, settings)
    excluded |= more
    empty = replace(empty, excluded=excluded)
    if rows.is_empty():
        why = f"no image is left: {', '.join(f'{n} {what}' for what, n in excluded.items()) or 'none has a label'}"
        return replace(empty, reason=why), rows, profile, []
    with _look(model, rows, settings) as looking:
        measured = _measured(model, rows, seed=settings.seed + 1, settings=settings)
        metrics = _metrics(model, measured, settings)
        looking.result = {"auc": metrics["auc"].value}
    empty = replace(empty, notes=(*empty.notes, *_few(rows)))
    loss = unpaired_loss(own, measured, confidence=settings.confidence)
    return (
        replace(empty, metrics=metrics, loss=loss),
        rows,
        profile,
        [seal.sentence for seal in looking.seals],
    )


def _without_seen(images: pl.DataFrame, model: _Model) -> tuple[pl.DataFrame, dict[str, int]]:
    """Leave out the patients of train and tune, where the two data sets show the same women."""
    related = _relatives(model.sources)
    seen = _bare(model.cohort.filter(pl.col("part").cast(pl.String) != Part.TEST.value))
    ids = seen.filter(pl.col("source").is_in(related))["bare"].implode()
    out = pl.col("source").is_in(related) & pl.col("bare").is_in(ids)
    marked = _bare(images)
    left_out = marked.filter(out).height
    kept = marked.filter(~out).drop("bare")
    what = "of patients in train or tune, in a data set that shows the same women"
    return kept, {what: left_out} if left_out else {}


def _shared_ids(images: pl.DataFrame, model: _Model) -> list[str]:
    """Ids that occur on both sides in unrelated data sets: most number their patients from 1."""
    trained = model.cohort.filter(pl.col("part").cast(pl.String) != Part.TEST.value)
    shared = _bare(images).join(_bare(trained).select("bare").unique(), on="bare", how="semi")["bare"].n_unique()
    if not shared:
        return []
    said = f"{shared} patient ids are also ids in train or tune: taken to be other women who are numbered alike"
    return [said]


def _few(rows: pl.DataFrame) -> list[str]:
    """Of either class."""
    found = []
    for label, name in ((1, "positive"), (0, "negative")):
        patients = rows.filter(pl.col("label") == label).select("source", "patient_id").n_unique()
        if patients < FEW:
            found.append(f"only {patients} patients with a {name} image: intervals are too narrow to be trusted")
    return found


def _relatives(sources: Sequence[str]) -> list[str]:
    """These data sets, and those that show the same women."""
    return [*sources, *(name for pair in SAME_WOMEN for name in pair if set(pair) & set(sources))]


def _bare(table: pl.DataFrame) -> pl.DataFrame:
    """Patient ids as the data set writes them, without the prefix of a merged index."""
    bare = pl.col("patient_id").cast(pl.String).str.strip_prefix(pl.col("source") + ":")
    return table.with_columns(bare.alias("bare"))


def _scored(
    model: _Model, images: pl.DataFrame, index: Index, settings: _Settings
) -> tuple[pl.DataFrame, dict[str, int]]:
    from mammoscope.batches import Samples, prepare
    from mammoscope.training import scores_of

    excluded: dict[str, int] = {}
    if images.is_empty():
        return _nothing(), excluded
    manifest = model.bundle.manifest
    done = prepare(
        images,
        roots=index.roots,
        preprocess=manifest.preprocess,
        folder=settings.cache,
        workers=settings.workers,
        progress=settings.progress,
        sample=model.recipe.input,
    )
    table = images.join(done.select("source", "image_id", "file"), on=["source", "image_id"], how="left")
    if unread := table["file"].null_count():
        excluded["that could not be read"] = unread
    table = table.filter(pl.col("file").is_not_null())
    seen = model.cohort.filter(pl.col("part").cast(pl.String) != Part.TEST.value)["file"].drop_nulls()
    copies = table.filter(pl.col("file").is_in(seen.implode())).select("source", "patient_id").unique()
    if copies.height:
        before = table.height
        table = table.join(copies, on=["source", "patient_id"], how="anti")
        excluded["of patients with a copy of a file in train or tune"] = before - table.height
    if table.is_empty():
        return _nothing(), excluded
    labels = table["malignant"].cast(pl.Int64).to_numpy()[:, None]
    samples = Samples(files=[settings.cache / name for name in table["file"]], labels=labels)
    found = scores_of(model.bundle.network, samples, batch_size=16, precision=manifest.precision, turns=manifest.turns)[
        0
    ]
    return table.select(
        pl.col("source", "patient_id", "image_id").cast(pl.String),
        pl.col("malignant").cast(pl.Int8).alias("label"),
        pl.Series("score", found[:, 1], dtype=pl.Float64),
    ), excluded


def _nothing() -> pl.DataFrame:
    text, whole, number = pl.String(), pl.Int8(), pl.Float64()
    return pl.DataFrame(schema=dict(zip(KEPT, (text, text, text, whole, number), strict=True)))


def _look(model: _Model, rows: pl.DataFrame, settings: _Settings) -> Any:
    return counted_look(
        model.run, what="external", predictions=rows, model=model.recipe.name, break_seal=settings.break_seal
    )


def _measured(model: _Model, rows: pl.DataFrame, *, seed: int, settings: _Settings) -> Measured:
    threshold = model.bundle.manifest.threshold
    return measured_cell(rows, threshold=threshold, replicates=settings.replicates, seed=seed)


def _metrics(model: _Model, measured: Measured, settings: _Settings) -> dict[str, Any]:
    return cell_metrics(measured, confidence=settings.confidence, threshold=model.bundle.manifest.threshold)


def _says(source: str) -> str | None:
    return SOURCES[source].labels if source in SOURCES else None


def _kept(rows: pl.DataFrame, cell: ExternalCell) -> pl.DataFrame:
    return rows.select(
        pl.lit(cell.model).alias("model"),
        pl.lit(cell.tested_on).alias("tested_on"),
        pl.col("source", "patient_id", "image_id").cast(pl.String),
        pl.col("label").cast(pl.Int8),
        pl.col("score").cast(pl.Float64),
    )


def _csv(found: ExternalValidation) -> str:
    text = io.StringIO()
    table = csv.writer(text, lineterminator="\n")
    heads = [f"{name}{end}" for name in ("auc", "sensitivity", "specificity") for end in ("", "_low", "_high")]
    counts = ("n", "positives", "patients")
    table.writerow(["model", "trained_on", "tested_on", "external", *heads, "loss", "loss_low", "loss_high", *counts])
    for cell in found.cells:
        values: list[Any] = []
        for name in ("auc", "sensitivity", "specificity"):
            one = cell.metrics.get(name)
            values += [None] * 3 if one is None else [one.value, one.low, one.high]
        loss = cell.loss.auc if cell.loss else None
        values += [None] * 3 if loss is None else [loss.value, loss.low, loss.high]
        auc = cell.metrics.get("auc")
        values += [0, 0, 0] if auc is None else [auc.n, auc.positives, auc.patients]
        table.writerow([cell.model, " + ".join(cell.trained_on), cell.tested_on, cell.external, *values])
    return text.getvalue()
