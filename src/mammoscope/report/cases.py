"""Explained samples of a run as cards: pictures by group, and what is known of each."""

import base64
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

Facts = Mapping[str, Any]
Row = dict[str, Any]

GROUPS = ("true positive", "false positive", "false negative", "true negative")
MEANT = {
    "true positive": "labelled positive and called positive",
    "false positive": "labelled negative and called positive",
    "false negative": "labelled positive and called negative",
    "true negative": "labelled negative and called negative",
}
QUALITY = 88  # of pictures inside a page; the folder holds them without loss
"""JPEG quality of the pictures inside a page."""


def case_groups(explanations: Sequence[Facts], *, run: Path) -> list[Row]:
    """Cards by group, with pictures as data inside the page; a picture outside the run folder is not read.

    Args:
        explanations: Rows of `explanations.json`, those of one sample after each other.
        run: The run folder.

    Returns:
        `group`, `meant`, `anchor`, and `cards`: what is known of a sample, and `maps`, one a method.
    """
    named = list(dict.fromkeys(str(row.get("group")) for row in explanations))
    groups = []
    for at, group in enumerate(GROUPS if set(named) <= set(GROUPS) else named):
        samples: dict[str, list[Facts]] = {}
        for row in explanations:
            if str(row.get("group")) == group:
                samples.setdefault(str(row.get("image_id")), []).append(row)
        cards = [_card(rows, run=run) for rows in samples.values()]
        groups.append({"group": group, "meant": MEANT.get(group), "anchor": f"group-{at + 1}", "cards": cards})
    return groups


def _card(rows: Sequence[Facts], *, run: Path) -> Row:
    first = rows[0]
    label = first.get("label")
    score = first.get("score")
    return {
        "image_id": first.get("image_id"),
        "group": first.get("group"),
        "score": score,
        "threshold": first.get("threshold"),
        "label_words": label if isinstance(label, str) else "positive" if label else "negative",
        "call": first.get("call"),
        "chances": _chances(first),
        "facts": _facts(first),
        "maps": [_map(row, run=run) for row in rows],
        "wide": bool(first.get("pictures")),
    }


def _map(row: Facts, *, run: Path) -> Row:
    return {
        "method": row.get("method"),
        "layer": row.get("layer"),
        "asked": row.get("asked"),
        "uri": picture_uri(row.get("file"), run=run),
        "notes": [text[:1].upper() + text[1:] for text in str(row.get("note") or "").split("; ") if text],
    }


def _facts(row: Facts) -> list[tuple[str, str]]:
    """What the data set says, where it says it."""
    shown = " ".join(str(row[name]) for name in ("laterality", "view") if row.get(name))
    told = [("patient", row.get("patient_id"))]
    told += [] if row.get("pictures") else [("side, view", shown or None)]
    told += [("density", row.get("density")), ("age", _years(row.get("age_years")))]
    told += [("lesion", words) for words in dict.fromkeys(lesion_words(one) for one in row.get("lesions") or ())]
    return [(name, str(value)) for name, value in told if value is not None]


def lesion_words(lesion: Facts) -> str:
    """A known lesion in a few words.

    Example:
        >>> lesion_words({"lesion_kind": "mass", "pathology": "malignant", "mm": 14.2})
        'mass, malignant, 14 mm'
        >>> lesion_words({"lesion_kind": "mass", "pathology": None, "malignant": False, "mm": None})
        'mass, not malignant, size not known'
    """
    finding = lesion.get("pathology")
    if finding is None and lesion.get("malignant") is not None:
        finding = "malignant" if lesion["malignant"] else "not malignant"
    size = "size not known" if lesion.get("mm") is None else f"{lesion['mm']:.0f} mm"
    return ", ".join(str(one) for one in (lesion.get("lesion_kind") or "of unknown kind", finding, size) if one)


def _years(age: float | None) -> str | None:
    return None if age is None else f"{age:.0f}"


def _chances(row: Facts) -> list[Row]:
    """Of several classes, the probability of each."""
    chances = row.get("chances")
    if not isinstance(chances, Mapping):
        return []
    marks = {"label": row.get("label"), "call": row.get("call")}
    return [
        {"name": name, "chance": chance, "label": name == marks["label"], "call": name == marks["call"]}
        for name, chance in chances.items()
        if chance is not None
    ]


def picture_uri(name: Any, *, run: Path) -> str | None:
    """A picture of the run folder as part of a page, as JPEG; None where it is not there."""
    if not isinstance(name, str):
        return None
    file = (run / name).resolve()
    if not file.is_relative_to(run.resolve()) or not file.is_file():
        return None
    pixels = cv2.imdecode(np.frombuffer(file.read_bytes(), dtype=np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        return None
    encoded = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1].tobytes()
    return f"data:image/jpeg;base64,{base64.b64encode(encoded).decode('ascii')}"
