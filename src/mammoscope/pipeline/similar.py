"""Training samples that are like a new one in what the network says of them, and those that stand for their class."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl

from mammoscope.images.cached import load_prepared
from mammoscope.images.grey import full_scale
from mammoscope.pipeline.embedding import Embedded, embed_run
from mammoscope.pipeline.queries import Query, index_of_run, read_queries
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

FAR = 0.95  # of the tune samples: a sample farther from the training samples than these is pointed out
COPY = 1e-6  # cosine distance below which two samples are the same pixels
SHOWN_PX = 320  # longer side of a picture on the page


def similar_cases(
    run: Path,
    files: Sequence[Path],
    *,
    cache: Path,
    out: Path,
    most: int = 5,
    layer: str = "pooled",
    patient: str | None = None,
    clinical: pl.DataFrame | None = None,
    root: Path | None = None,
    device: str = "auto",
) -> dict[str, Any]:
    """Find the training samples nearest to files; leaves `similar.json` and `similar.html` in `out`.

    Only train samples can be neighbours, and never one of the query's own patient: she is known where the file is
    one of the run's index, or where she is named.

    Args:
        run: A trained run folder.
        files: Mammograms, or folders of them. Of a run of breasts or exams, those of one exam lie in one folder.
        cache: Folder of the run's prepared pictures.
        out: Folder for the page.
        most: Neighbours of each.
        layer: Whose values are compared; `pooled` is the vector of a sample.
        patient: Whose files these are, as the index names her.
        clinical: Columns that the network reads beside pictures, as `predict_files` takes them; unknown if None.
        root: Folder of the data set, if it has moved.
        device: cpu, cuda, mps or auto.

    Returns:
        What `similar.json` holds: `queries`, each with `neighbours`, `shares` (of the classes among them), `nearest`
        (distance), `farther_than_train` and `farther_than_tune` (shares of samples that are nearer to the training
        samples of others than this one is), `note`; or `code` and `note` where a file could not be read.

    Raises:
        SourceError: The run is not complete, its pictures are not in the cache, or a folder holds no mammogram.
        BundleError: The bundle is of several networks, or of another split than the one in the folder.
        RecipeError: There is no such layer.
    """
    embedded = embed_run(run, cache=cache, layer=layer, device=device)
    found = read_queries(files, manifest=embedded.bundle.manifest, index=index_of_run(run, root=root), patient=patient)
    known = _Known(embedded)
    rows = [_answered(one, known, most=most, clinical=clinical) for one in found]
    facts = _facts(embedded, run=run) | {"queries": rows}
    write_text(out / "similar.json", json.dumps(facts, indent=2, allow_nan=False))
    pictures = [[_thumb(picture.pixels) for picture in one.pictures] for one in found]
    from mammoscope.report import write_similar

    write_similar(facts, pictures=pictures, neighbours=_thumbs(facts, cache=cache), out=out / "similar.html")
    return facts


def class_prototypes(
    run: Path, *, cache: Path, out: Path, count: int = 3, layer: str = "pooled", device: str = "auto"
) -> dict[str, Any]:
    """Find training samples that stand for their class; leaves `prototypes.json` and `prototypes.html` in `out`.

    Args:
        run: A trained run folder.
        cache: Folder of its prepared pictures.
        out: Folder for the page.
        count: Prototypes of each class.
        layer: Whose values are compared.
        device: cpu, cuda, mps or auto.

    Returns:
        What `prototypes.json` holds: for each class its prototypes with `share` (of the class, nearest to it) and
        `mean_distance` (of these to it).

    Raises:
        SourceError: The run is not complete, or its pictures are not in the cache.
        BundleError: The bundle is of several networks, or of another split than the one in the folder.
        RecipeError: There is no such layer, or `count` is below 1.
    """
    from mammoscope.explain import prototypes

    embedded = embed_run(run, cache=cache, layer=layer, device=device)
    train = embedded.of_part(Part.TRAIN)
    names = embedded.table["class"].to_list()
    classes = []
    for name in embedded.bundle.manifest.tasks[0].classes:
        rows = np.array([row for row in train if names[row] == name], dtype=np.int64)
        if not len(rows):
            continue  # a class that a run of this task may lack
        chosen = prototypes(embedded.vectors, rows=rows, count=count)
        told = [_sample(embedded, one.row) | {"share": one.share, "mean_distance": one.distance} for one in chosen]
        classes.append({"class": name, "samples": len(rows), "prototypes": told})
    facts = _facts(embedded, run=run) | {"classes": classes}
    write_text(out / "prototypes.json", json.dumps(facts, indent=2, allow_nan=False))
    from mammoscope.report import write_prototypes

    write_prototypes(facts, pictures=_thumbs(facts, cache=cache), out=out / "prototypes.html")
    return facts


class _Known:
    """What queries are held against, worked out once."""

    def __init__(self, embedded: Embedded) -> None:
        from mammoscope.explain import nearest_distances

        self.embedded, self.rows = embedded, embedded.of_part(Part.TRAIN)
        self.vectors, patients = embedded.vectors[self.rows], embedded.patients
        self.people = embedded.table[self.rows.tolist()].select("source", "patient_id").rows()
        self.away = {
            part: nearest_distances(
                embedded.vectors[rows], self.vectors, of=patients[rows], patients=patients[self.rows]
            )
            for part, rows in ((part, embedded.of_part(part)) for part in (Part.TRAIN, Part.TUNE))
        }


def _answered(query: Query, known: _Known, *, most: int, clinical: pl.DataFrame | None) -> dict[str, Any]:
    from mammoscope.explain import nearest_samples, share_nearer

    about: dict[str, Any] = {"file": query.name, "image_id": query.image_id, "code": query.code, "note": query.why}
    if query.code is not None:
        return about
    bundle, embedded = known.embedded.bundle, known.embedded
    sample: Any = list(query.pictures) if bundle.manifest.design.bags else query.pictures[0]
    row = None if clinical is None else clinical.filter(pl.col("file").cast(pl.String) == query.name)
    row = None if row is None or row.is_empty() else row
    vector = bundle.embeddings([sample], layer=embedded.layer, clinical=row)[0]
    chances = bundle.probabilities([sample], clinical=row)[0][0]
    others = np.array([person != query.patient for person in known.people], dtype=np.bool_)
    found = nearest_samples(vector, known.vectors, most=most, allowed=others)
    rows = [
        _sample(embedded, int(known.rows[at])) | {"distance": float(away)}
        for at, away in zip(found.rows, found.distances, strict=True)
    ]
    classes = bundle.manifest.tasks[0].classes
    shares = {name: sum(one["class"] == name for one in rows) / len(rows) for name in classes}
    least = float(found.distances[0])
    beyond = {f"farther_than_{part.value}": share_nearer(least, away) for part, away in known.away.items()}
    return about | {
        "note": "; ".join(_notes(query, known, least, beyond["farther_than_tune"])),
        "patient_known": query.patient is not None,
        "scores": dict(zip(classes, (float(one) for one in chances), strict=True)),
        "nearest": least,
        **beyond,
        "shares": shares,
        "neighbours": rows,
    }


def _notes(query: Query, known: _Known, least: float, beyond: float | None) -> list[str]:
    found = [query.why] if query.why else []
    if query.patient is None:
        found.append("whose file it is is not known: a neighbour may be of the same patient")
    elif query.patient in known.people:
        found.append("this patient is in the training part, so the network was fitted to her; her samples are left out")
    if least < COPY:
        found.append("the nearest is the same to the network: it may be a copy of this file")
    if beyond is not None and beyond >= FAR:
        found.append(
            f"farther from every training sample than {beyond:.0%} of the tune samples are: unlike what was trained on"
        )
    return found


def _sample(embedded: Embedded, row: int) -> dict[str, Any]:
    """What is known of a training sample."""
    about = embedded.table.row(row, named=True)
    classes = embedded.bundle.manifest.tasks[0].classes
    scores = dict(zip(classes, (float(one) for one in embedded.chances[row]), strict=True))
    return {name: value for name, value in about.items() if name != "part"} | {"scores": scores}


def _facts(embedded: Embedded, *, run: Path) -> dict[str, Any]:
    manifest, train = embedded.bundle.manifest, embedded.table.filter(pl.col("part") == Part.TRAIN.value)
    counts = train["class"].value_counts().rows()
    task = manifest.tasks[0]
    return {
        "run": run.resolve().name,
        "recipe": manifest.name,
        "weights_sha256": manifest.weights_sha256,
        "unit": manifest.unit,
        "task": task.name,
        "layer": embedded.layer,
        "values": int(embedded.vectors.shape[1]),
        "distance": "cosine",
        "train": {
            "samples": train.height,
            "patients": train.select("source", "patient_id").n_unique(),
            "classes": {name: dict(counts).get(name, 0) for name in task.classes},
        },
        "tune": {"samples": embedded.table.height - train.height},
    }


def _thumbs(facts: dict[str, Any], *, cache: Path) -> dict[str, np.ndarray]:
    """Prepared pictures that the facts name, made small; those that are gone are left out."""
    groups = [*facts.get("queries", ()), *facts.get("classes", ())]
    named = [one for group in groups for key in ("neighbours", "prototypes") for one in group.get(key, ())]
    files = {file for one in named for file in one["files"]}
    return {file: _thumb(load_prepared(cache / file)) for file in sorted(files) if (cache / file).is_file()}


def _thumb(pixels: np.ndarray) -> np.ndarray:
    """8 bits, at most `SHOWN_PX` long."""
    shown = pixels if pixels.dtype.kind == "f" else pixels / full_scale(pixels)
    grey = np.rint(np.clip(shown, 0, 1) * 255).astype(np.uint8)
    scale = SHOWN_PX / max(grey.shape)
    if scale >= 1:
        return grey
    size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
    return np.asarray(cv2.resize(grey, size, interpolation=cv2.INTER_AREA))
