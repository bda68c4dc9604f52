"""Preparing a data set: two processes against one, memory in the number of files, and once more when nothing changed.

Full-size files are uncompressed phantom DICOM of 4096x3328, each prepared for four views, so that starting the
processes does not count. Small ones are distinct PNG of 96x64. Caches are new each time; sources are in the page cache.
`worker_mib` is the largest resident set of a worker process (VmHWM: its heap, shared code, and the pages of files that
it mapped), `parent_grew_mib` how much this process grew at most.

Run: python bench/prepare.py [--json] [--files 40] [--small 100 10000]
"""

import os
import threading
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter, sleep

import cv2
import numpy as np
import polars as pl
from parts.films import breast, write_dicom
from parts.rounds import Row, options_of, told

from mammoscope.batches import prepare
from mammoscope.images import Preprocess
from mammoscope.vocabulary import View

ROUNDS = 3
SETTLED_S = 2.5  # files that changed just now are not taken as unchanged


class Peak:
    """Largest resident set of any child process, and growth of this one, while they are watched, in MiB."""

    def __init__(self) -> None:
        self.mib = self.grew_mib = 0.0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> "Peak":  # noqa: PYI034
        Path("/proc/self/clear_refs").write_text("5")  # VmHWM starts anew, proc_pid_clear_refs(5)
        self._before = in_mib("self", "VmRSS")
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._over.set()
        self._thread.join()
        self.grew_mib = in_mib("self", "VmHWM") - self._before

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            for task in Path("/proc/self/task").glob("*/children"):
                try:
                    self.mib = max([self.mib, *(in_mib(child, "VmHWM") for child in task.read_text().split())])
                except (OSError, ValueError):  # it ended meanwhile
                    continue


def in_mib(process: str, name: str) -> float:
    """One entry of proc_pid_status(5)."""
    lines = [line for line in Path("/proc", process, "status").read_text().splitlines() if line.startswith(name)]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def write_large(folder: Path, *, files: int) -> pl.DataFrame:
    drawn = [breast(4096, 3328, seed=seed) for seed in range(4)]
    for number in range(files):
        write_dicom(np.roll(drawn[number % 4], number, axis=0), folder / f"{number}.dcm", number=number)
    return table([f"{number}.dcm" for number in range(files)], views=[View.CC, View.MLO, View.ML, View.LM])


def write_small(folder: Path, *, files: int) -> pl.DataFrame:
    small = cv2.resize(breast(256, 192) >> 8, (64, 96), interpolation=cv2.INTER_AREA).astype(np.uint8)
    for number in range(files):
        picture = small.copy()
        picture[0, :16] = [255 * (number >> bit & 1) for bit in range(16)]
        (folder / f"{number}.png").write_bytes(cv2.imencode(".png", picture)[1].tobytes())
    return table([f"{number}.png" for number in range(files)], views=[View.MLO])


def table(paths: list[str], *, views: list[View]) -> pl.DataFrame:
    rows = [(f"{path}-{view}", path, view.value) for view in views for path in paths]
    found = pl.DataFrame(rows, schema=["image_id", "path", "view"], orient="row")
    return found.with_columns(source=pl.lit("bench"), laterality=pl.lit("L"))


def prepared(images: pl.DataFrame, folder: Path, cache: Path, *, size: int, workers: int) -> tuple[float, Peak]:
    """Seconds, and memory."""
    preprocess = Preprocess(rows=size, cols=size)
    with Peak() as peak:
        start = perf_counter()
        done = prepare(images, roots={"bench": folder}, preprocess=preprocess, folder=cache, workers=workers)
        seconds = perf_counter() - start
    assert done["code"].null_count() == done.height, done.filter(pl.col("code").is_not_null())
    return seconds, peak


def two_against_one(files: int) -> Row:
    with TemporaryDirectory() as name:
        folder = Path(name)
        images = write_large(folder, files=files)
        taken: dict[int, list[float]] = {1: [], 2: []}
        peaks = []
        for at in range(ROUNDS):
            for workers, times in taken.items():
                cache = folder / f"cache{at}-{workers}"
                seconds, peak = prepared(images, folder, cache, size=512, workers=workers)
                times.append(seconds)
                peaks.append(peak)
    one, two = (median(taken[workers]) for workers in (1, 2))
    return {
        "name": f"prepare {images.height} pictures of 4096x3328 in two processes; reference: in one",
        "n": ROUNDS,
        "ours_s": round(two, 3),
        "reference_s": round(one, 3),
        "floor_s": None,
        "ratio": round(one / two, 2),
        "worker_mib": round(max(peak.mib for peak in peaks)),
        "parent_grew_mib": round(max(peak.grew_mib for peak in peaks)),
        "target": ">= 1.8",
    }


def small_files(files: int) -> list[Row]:
    with TemporaryDirectory() as name:
        folder = Path(name)
        images = write_small(folder, files=files)
        sleep(SETTLED_S)
        rows = []
        for told_as in ("", ", again, unchanged"):
            seconds, peak = prepared(images, folder, folder / "cache", size=64, workers=len(os.sched_getaffinity(0)))
            row = {"name": f"prepare {files} files of 96x64{told_as}", "n": 1, "ours_s": round(seconds, 3)}
            row |= {"reference_s": rows[0]["ours_s"] if rows else None, "floor_s": None}
            row["ratio"] = round(rows[0]["ours_s"] / seconds, 2) if rows else None
            row |= {"worker_mib": round(peak.mib) or None, "parent_grew_mib": round(peak.grew_mib)}
            rows.append(row | {"target": "" if rows else "memory flat in files"})
        return rows


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--files", type=int, default=40, help="of full size")
    parser.add_argument("--small", type=int, nargs="+", default=[100, 10_000], help="numbers of small files")
    options = parser.parse_args()
    cv2.setRNGSeed(0)
    rows = [row for files in options.small for row in small_files(files)]
    for at, row in enumerate([*rows, two_against_one(options.files)]):
        told(row, as_json=options.json, first=at == 0)


if __name__ == "__main__":
    main()
