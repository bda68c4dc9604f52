"""A phantom data set on disk: patients drawn, pictures written, quirks planted, the truth last."""

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from functools import partial
from itertools import starmap
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np

from mammoscope.errors import RecipeError, StorageError, nearest
from mammoscope.phantom.cbis_tables import table
from mammoscope.phantom.layout import Entry, Layout, Person
from mammoscope.phantom.quirks import QUIRKS_HEADER, Planted, plant
from mammoscope.phantom.settings import Settings, refuse_settings
from mammoscope.storage import write_text
from mammoscope.vocabulary import Part

TEST_SHARE = 0.2
MARKER = "phantom.json"
TRUTH = "phantom_truth.csv"
QUIRKS = "phantom_quirks.csv"
Progress = Callable[[int, int], None]


def write_layout(
    layout: Layout,
    folder: Path,
    *,
    settings: Settings,
    quirks: Sequence[str] = (),
    workers: int = 1,
    progress: Progress | None = None,
) -> Path:
    """Write a phantom; see `mammoscope.phantom.write_phantom`.

    Returns:
        The truth, which is written last.

    Raises:
        RecipeError: A setting is outside its range, or the folder holds something else.
        StorageError: The file system refused.
    """
    _refuse(layout, settings, quirks, workers)
    _make_room(folder, layout)
    people = [layout.draw(number, settings) for number in range(1, settings.patients + 1)]
    parts = official_parts(people, settings.seed) if layout.parts else [Part.TRAIN] * len(people)
    write_text(folder / MARKER, json.dumps(_marker(layout, settings, quirks), indent=2) + "\n")
    entries: list[Entry] = []
    draw = partial(_write_one, write=layout.write, folder=folder, settings=settings)
    for done, found in enumerate(_each(draw, people, parts, workers), start=1):
        entries += found
        if progress is not None:
            progress(done, settings.patients)
    tables = {name: [row for entry in entries for at, row in entry.rows if at == name] for name in layout.tables}
    truth = [entry.truth for entry in entries]
    planted: list[Planted] = []
    if quirks:
        planted = plant(quirks, folder, plants=layout.quirks, tables=tables, truth=truth, seed=settings.seed)
    for name, rows in tables.items():
        if rows:  # the archive has no empty table
            write_text(folder / name, layout.tables[name](rows))
    if quirks:
        write_text(folder / QUIRKS, table(QUIRKS_HEADER, [asdict(one) for one in planted], line_end="\n"))
    write_text(folder / TRUTH, table(layout.truth, truth, line_end="\n"))
    return folder / TRUTH


def official_parts(people: Sequence[Person], seed: int) -> list[Part]:
    """A fifth of the patients with a malignant lesion, and a fifth of the others, are the test set."""
    random = np.random.default_rng([seed, 0])
    order = sorted(random.permutation(len(people)).tolist(), key=lambda n: people[n].malignant)
    step = round(1 / TEST_SHARE)
    test = set(order[step // 2 :: step]) or {order[0]}
    return [Part.TEST if n in test else Part.TRAIN for n in range(len(people))]


def _refuse(layout: Layout, settings: Settings, quirks: Sequence[str], workers: int) -> None:
    refuse_settings(settings, most_patients=layout.most_patients, workers=workers)
    if settings.wear and not layout.film:
        raise RecipeError(f"wear {settings.wear:g}: {layout.name} holds no films. Leave it at 0")
    allowed = list(layout.quirks)
    for name in quirks:
        if name not in allowed:
            raise RecipeError(
                f"quirk {name!r} is not one of {', '.join(allowed)}, which {layout.name} can have"
                f"{nearest(name, allowed)}"
            )


def _make_room(folder: Path, layout: Layout) -> None:
    """Take away an earlier phantom; refuse to touch anything else."""
    if folder.exists() and not folder.is_dir():
        raise RecipeError(f"{folder.name}: is a file. Name a folder for the phantom")
    there = sorted(folder.iterdir()) if folder.is_dir() else []
    ours = {MARKER, TRUTH, QUIRKS}
    strange = [path.name for path in there if path.name not in ours and not layout.ours.fullmatch(path.name)]
    if there and (strange or not (folder / MARKER).is_file()):
        found = (strange or [path.name for path in there])[0]
        raise RecipeError(f"{folder.name}: holds {found!r}, so it is not just a phantom. Choose an empty folder")
    try:
        for path in sorted(there, key=lambda path: (path.name != TRUTH, path.name == MARKER)):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()
    except OSError as error:
        raise StorageError(
            f"{folder.name}: the phantom in it could not be removed, {error.strerror}. Choose another folder"
        ) from error


def _marker(layout: Layout, settings: Settings, quirks: Sequence[str]) -> dict[str, Any]:
    marker = {
        "phantom": layout.name,
        "note": "synthetic mammograms; no patient behind them",
        **asdict(settings),
        "ideal_auc": round(layout.best(settings.difficulty), 4),
    }
    return marker | {"quirks": list(quirks)} if quirks else marker


def _write_one(
    person: Person,
    part: Part,
    *,
    write: Callable[[Any, Part, Path, Settings], list[Entry]],
    folder: Path,
    settings: Settings,
) -> list[Entry]:
    return write(person, part, folder, settings)


def _each(
    draw: Callable[[Person, Part], list[Entry]], people: list[Person], parts: list[Part], workers: int
) -> Iterator[list[Entry]]:
    """Draw all patients, in order, here or in other processes."""
    if workers == 1:
        yield from starmap(draw, zip(people, parts, strict=True))
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(draw, people, parts)
