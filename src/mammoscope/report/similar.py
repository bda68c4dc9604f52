"""Pages of samples that are like others: a query beside its neighbours, and the prototypes of each class."""

from pathlib import Path

import numpy as np
from jaxtyping import UInt8

from mammoscope.report.page import rendered
from mammoscope.report.pictures import data_uri
from mammoscope.report.words import Facts
from mammoscope.storage import write_text

Thumbs = dict[str, UInt8[np.ndarray, "_ _"]]


def write_similar(
    facts: Facts, *, pictures: list[list[UInt8[np.ndarray, "_ _"]]], neighbours: Thumbs, out: Path
) -> Path:
    """Write a page of queries, each beside its nearest training samples.

    Args:
        facts: What `similar.json` holds.
        pictures: Of each query, 8 bits, for the page.
        neighbours: Of training samples, by the file in the cache; what is not there is named in its place.
        out: HTML file to write.

    Returns:
        `out`.

    Raises:
        StorageError: The file system refused.
    """
    uris = {name: data_uri(pixels) for name, pixels in neighbours.items()}
    queries = [
        {
            **query,
            "uris": [data_uri(pixels) for pixels in shown],
            "neighbours": [_card(one, uris) for one in query.get("neighbours", ())],
        }
        for query, shown in zip(facts["queries"], pictures, strict=True)
    ]
    write_text(out, rendered("similar.html.j2", facts=facts, queries=queries, classes=None))
    return out


def write_prototypes(facts: Facts, *, pictures: Thumbs, out: Path) -> Path:
    """Write a page of the prototypes of each class.

    Args:
        facts: What `prototypes.json` holds.
        pictures: Of training samples, by the file in the cache.
        out: HTML file to write.

    Returns:
        `out`.

    Raises:
        StorageError: The file system refused.
    """
    uris = {name: data_uri(pixels) for name, pixels in pictures.items()}
    classes = [
        {**one, "prototypes": [_card(prototype, uris) for prototype in one["prototypes"]]} for one in facts["classes"]
    ]
    write_text(out, rendered("similar.html.j2", facts=facts, queries=None, classes=classes))
    return out


def _card(sample: Facts, uris: dict[str, str]) -> Facts:
    """A sample with its pictures, and what is said below them."""
    side_and_view = " ".join(str(one) for one in (sample["laterality"], sample["view"]) if one)
    several = len(sample["files"]) > 1
    return {
        **sample,
        "uris": [uris.get(name) for name in sample["files"]],
        "shows": f"{len(sample['files'])} pictures" if several else side_and_view,
        "score": None if sample["class"] is None else sample["scores"].get(sample["class"]),
    }
