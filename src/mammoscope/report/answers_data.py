"""What a run says of its data: where they come from, who is in them, how they were divided."""

from collections import Counter
from typing import Any

import polars as pl

from mammoscope.report.answers import Question, held, plain
from mammoscope.report.folder import RunFiles
from mammoscope.sources import SOURCES, Source
from mammoscope.vocabulary import Part

PARTS = tuple(part.value for part in Part)
RECORDED = {
    "age_years": "age",
    "density": "density",
    "tissue": "tissue",
    "implant": "implant",
    "machine_id": "machine",
    "site_id": "site",
}
"""Columns of a cohort that describe the women and how they were examined, and their names in print."""
LISTED = 6  # more values than that are counted, not listed


def cohort(files: RunFiles) -> pl.DataFrame:
    """The images of a run.

    Raises:
        TypeError: There is no cohort.
    """
    if not isinstance(files.cohort, pl.DataFrame):
        raise TypeError("no cohort")
    return files.cohort


def known_sources(files: RunFiles) -> dict[str, Source | None]:
    """The data sets of a run by name; None for one that the program does not know."""
    if isinstance(files.cohort, pl.DataFrame) and "source" in files.cohort.columns:
        names = sorted(files.cohort["source"].drop_nulls().unique())
    else:
        names = [str(held(files.recipe)["source"])]
    return {plain(name): SOURCES.get(name) for name in names}


def _source(files: RunFiles) -> str:
    said = [
        f"read as `{name}`, on the word of whoever gave the folder: {source.cite}"
        + (f"; {source.url}" if source.url else "")
        if source
        else f"read as `{name}`, a data set of your own"
        for name, source in known_sources(files).items()
    ]
    return "\n".join(said)


def _licence(files: RunFiles) -> str | None:
    known = {name: source.licence for name, source in known_sources(files).items() if source}
    return "\n".join(f"data of `{name}`: {licence}" for name, licence in known.items()) or None


def _labels(files: RunFiles) -> str | None:
    said = [f"`{name}`: {source.labels}" for name, source in known_sources(files).items() if source]
    if isinstance(files.cohort, pl.DataFrame) and "label_origin" in files.cohort.columns:
        origins = Counter(str(origin or "unknown") for origin in files.cohort["label_origin"].cast(pl.String))
        said.append("images by who says so: " + ", ".join(f"{name} {count:,}" for name, count in origins.most_common()))
    return "\n".join(said) or None


def _eligibility(files: RunFiles) -> str:
    recipe = held(files.recipe)
    select = held(recipe.get("select", {}))
    views = select.get("views")
    said = [
        f"views: {plain(views) if views else 'all'}",
        f"images with implants: {'left out' if select.get('implants') is False else 'taken'}",
    ]
    if accepted := held(recipe.get("preprocess", {})).get("accept"):
        said.append(f"pictures with these traits are accepted: {plain(accepted)}")
    return "; ".join(said)


def _flow(files: RunFiles) -> str:
    steps = [f"{what} {int(count):,}" for what, count in files.flow] if isinstance(files.flow, list) else []
    if isinstance(files.prepare, dict):
        steps.append(f"read and prepared {int(files.prepare['prepared']):,}")
    if isinstance(files.predictions, pl.DataFrame):
        steps.append(f"scored {files.predictions.filter(pl.col('part') != Part.TRAIN.value).height:,} (tune and test)")
    return " → ".join(steps) + "; drawn in report.html"


def _preprocess(files: RunFiles) -> str:
    return plain(held(held(files.recipe)["preprocess"]))


def _missing(files: RunFiles) -> str:
    failed = held(files.prepare)["failed"]
    codes = Counter(str(row["code"]) for row in failed)
    unread = ", ".join(f"{name} {count:,}" for name, count in codes.most_common())
    said = f"images that could not be read and are in no number: {len(failed):,}" + (f" ({unread})" if unread else "")
    if isinstance(files.split, dict) and "left out" in files.split:
        said += f"; left out of the split: {files.split['left out']:,}"
    return said + "; the network is given pixels only, so nothing is filled in"


def _acquisition(files: RunFiles) -> str | None:
    table = cohort(files)
    said = [
        f"{name}s: {table[column].drop_nulls().n_unique():,} (known for {table[column].count():,} of {table.height:,})"
        for column, name in (("machine_id", "machine"), ("site_id", "site"))
        if column in table.columns and table[column].count()
    ]
    return "; ".join(said) or None


def _split(files: RunFiles) -> str:
    split = held(files.split)
    kind = f"{plain(split['kind'])}, seed {plain(split.get('seed'))}, fingerprint {str(split['fingerprint'])[:12]}"
    if not isinstance(files.cohort, pl.DataFrame):
        return kind
    return "\n".join([kind, *(f"{part}: {sizes(files.cohort, part=part)}" for part in PARTS)])


def sizes(table: pl.DataFrame, *, part: str) -> str:
    """Patients, images and positive images of a part in words."""
    rows = table.filter(pl.col("part") == part)
    keys = [name for name in ("source", "patient_id") if name in table.columns]
    counts = f"{rows.select(keys).n_unique():,} patients, {rows.height:,} images"
    if not rows["malignant"].count() and rows.height:
        return counts  # the data set does not say
    return f"{counts}, {int(rows['malignant'].cast(pl.Int64).sum()):,} positive"


def _disjoint(files: RunFiles) -> str:
    table = cohort(files)
    keys = [name for name in ("source", "patient_id") if name in table.columns]
    parts = table.drop_nulls("part").group_by(keys).agg(pl.col("part").n_unique().alias("parts"))
    shared = parts.filter(pl.col("parts") > 1).height
    if shared:
        return f"NOT disjoint: {shared:,} of {parts.height:,} patients are in more than one part; see audit.json"
    return f"by patient: none of {parts.height:,} patients is in more than one part"


def _test_size(files: RunFiles) -> str:
    said = f"test part: {sizes(cohort(files), part=Part.TEST.value)}"
    found = files.audit.get("findings", []) if isinstance(files.audit, dict) else []
    return "\n".join([said, *(str(row["message"]) for row in found if row.get("check") == "few-patients")])


def _characteristics(files: RunFiles) -> str | None:
    table = cohort(files)
    asked = {column: name for column, name in RECORDED.items() if column in table.columns}
    known = {column: name for column, name in asked.items() if table[column].count()}
    said = []
    for part in PARTS if known else ():
        rows = table.filter(pl.col("part") == part)
        said.append(f"{part}: " + "; ".join(f"{name} {_values(rows[column])}" for column, name in known.items()))
    unknown = [name for column, name in asked.items() if column not in known]
    return "\n".join([*said, *([f"unknown for every image: {', '.join(unknown)}"] if unknown else [])]) or None


def _values(column: pl.Series) -> str:
    """A column of one part in words, with how many images it is known for."""
    count = f"known for {column.count():,} of {column.len():,} images"
    if not column.count():
        return "unknown"
    if column.dtype.is_numeric():
        low, middle, high = (column.quantile(q, "nearest") for q in (0.25, 0.5, 0.75))
        return f"median {plain(middle)}, quartiles {plain(low)} and {plain(high)} ({count})"
    rows: list[tuple[Any, int]] = column.cast(pl.String).drop_nulls().value_counts().sort(column.name).rows()
    few = len(rows) <= LISTED
    told = ", ".join(f"{plain(value)} {number:,}" for value, number in rows) if few else f"{len(rows)} values"
    return f"{told} ({count})"


def _severity(files: RunFiles) -> str | None:
    table = cohort(files)
    if "lesion_kind" not in table.columns:
        return None
    kinds = table.filter(pl.col("malignant") & (pl.col("part") == Part.TEST.value))["lesion_kind"].drop_nulls()
    counts = Counter(str(kind) for kind in kinds)
    told = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    return f"lesions on positive test images by kind: {told}" if told else None


def _audit(files: RunFiles) -> str:
    counts = Counter(str(row.get("severity")) for row in held(files.audit)["findings"])
    told = ", ".join(f"{name} {counts[name]:,}" for name in ("error", "warning", "note"))
    return f"findings of the audit of tables, files and split: {told}; each in report.html"


_OWN = "the program knows nothing of a data set of your own"
DATA: dict[str, Question] = {
    "source": Question(files=("recipe.json",), say=_source, reads=("cohort.parquet",)),
    "licence": Question(files=("recipe.json",), say=_licence, otherwise=_OWN, reads=("cohort.parquet",)),
    "labels": Question(files=("recipe.json",), say=_labels, otherwise=_OWN, reads=("cohort.parquet",)),
    "eligibility": Question(files=("recipe.json",), say=_eligibility),
    "flow": Question(files=("flow.json",), say=_flow, reads=("prepare.json", "predictions.parquet")),
    "preprocess": Question(files=("recipe.json",), say=_preprocess),
    "missing": Question(files=("prepare.json",), say=_missing, reads=("split.json",)),
    "acquisition": Question(
        files=("cohort.parquet",), say=_acquisition, otherwise="machine and site are unknown for every image"
    ),
    "split": Question(files=("split.json",), say=_split, reads=("cohort.parquet",)),
    "disjoint": Question(files=("cohort.parquet",), say=_disjoint),
    "test_size": Question(files=("cohort.parquet",), say=_test_size, reads=("audit.json",)),
    "characteristics": Question(
        files=("cohort.parquet",), say=_characteristics, otherwise="the cohort has no column that describes the women"
    ),
    "severity": Question(
        files=("cohort.parquet",), say=_severity, otherwise="no lesion of a positive test image has a known kind"
    ),
    "audit": Question(files=("audit.json",), say=_audit),
}
"""What is asked of the data, by name."""
