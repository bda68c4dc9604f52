"""The index at 10^4, 10^5 and 10^6 rows: build, validate, write, read, merge, split, audit without pixels.

Synthetic records in the shape of a screening data set: four views a patient, one malignant patient in ten, a lesion
with box and descriptors on each malignant image. Each operation runs in a process of its own, so its peak memory is its
own; what it starts from was written by the process before, or is made before the clock starts. The growth exponent is
the slope of log seconds over log rows between the two largest sizes: 1 is linear.

Run: python bench/index.py [--json] [--rows 10000 100000 1000000]
"""

import argparse
import json
import math
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from time import perf_counter

from mammoscope.cohort import RatioSplit, audit, merge, split
from mammoscope.records import Index, Record, image_table, index_of, read_index, validated, write_index
from mammoscope.vocabulary import Density, LabelOrigin, Laterality, LesionKind, View

SIDES = [(side, view) for side in Laterality for view in (View.CC, View.MLO)]
STEPS = ("build", "validate", "write", "read", "merge", "image table", "split", "audit")


def records(rows: int, *, source: str) -> Iterator[Record]:
    for at in range(rows):
        patient, place = divmod(at, 4)
        side, view = SIDES[place]
        malignant = patient % 10 == 0 and side is Laterality.LEFT
        yield Record(
            source=source,
            patient_id=f"{patient:07d}",
            image_id=f"{at:08d}",
            path=f"pictures/{patient:07d}/{at:08d}_{side}_{view}.dcm",
            exam_id=f"{patient:07d}-1",
            laterality=side,
            view=view,
            age_years=40.0 + patient % 40,
            implant=patient % 50 == 0,
            machine_id=str(patient % 7),
            malignant=malignant,
            label_origin=LabelOrigin.BIOPSY if malignant else LabelOrigin.DERIVED,
            density=list(Density)[patient % 4],
            assessment=4 if malignant else 1,
            lesion_id="1" if malignant else None,
            lesion_kind=LesionKind.MASS if malignant else None,
            lesion_margins="SPICULATED" if malignant else None,
            lesion_x0=100.0 if malignant else None,
            lesion_y0=100.0 if malignant else None,
            lesion_x1=200.0 if malignant else None,
            lesion_y1=200.0 if malignant else None,
        )


def step(name: str, rows: int, folder: Path) -> float:
    """Run one operation in this process; seconds."""
    file, root = folder / f"{rows}.parquet", {"screening": folder}
    if name == "build":
        start = perf_counter()
        made = index_of(records(rows, source="screening"), roots=root)
        seconds = perf_counter() - start
        write_index(made, file)
        return seconds
    if name == "read":
        start = perf_counter()
        read_index(file)
        return perf_counter() - start
    index = read_index(file)
    other = Index(table=index.table.with_columns(source=index.table["source"].str.replace("g$", "g2")), roots={})
    other = Index(table=other.table, roots={"screening2": folder})
    images = image_table(index) if name == "split" else None
    start = perf_counter()
    match name:
        case "validate":
            validated(index)
        case "write":
            write_index(index, folder / "again.parquet")
        case "merge":
            merge([index, other])
        case "image table":
            image_table(index)
        case "split":
            split(images, RatioSplit(), seed=0)
        case "audit":
            audit(index, files=False)
    return perf_counter() - start


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform != "darwin" else 1024**2)


def measured(name: str, rows: int, folder: Path) -> tuple[float, float]:
    command = [sys.executable, __file__, "--step", name, "--rows", str(rows), "--folder", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds, memory = json.loads(done.stdout)
    return seconds, memory


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--step", choices=STEPS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.step:
        print(json.dumps([step(options.step, options.rows[0], options.folder), peak_mib()]))
        return
    if not options.json:
        sizes = sorted(options.rows)
        print("| operation | " + " | ".join(f"{rows:,} rows: s | MiB" for rows in sizes) + " | growth exponent |")
        print("|---|" + "---|" * (2 * len(sizes) + 1))
    with tempfile.TemporaryDirectory() as folder:
        for name in STEPS:
            report(
                name, {rows: measured(name, rows, Path(folder)) for rows in sorted(options.rows)}, as_json=options.json
            )


def report(name: str, found: dict[int, tuple[float, float]], *, as_json: bool) -> None:
    sizes = sorted(found)
    growth = None
    if len(sizes) > 1:
        small, large = sizes[-2:]
        growth = round(math.log(found[large][0] / found[small][0]) / math.log(large / small), 2)
    if as_json:
        for rows in sizes:
            seconds, memory = found[rows]
            row = {"name": f"{name}, {rows} rows", "ours_s": round(seconds, 4), "peak_mib": round(memory)}
            print(json.dumps(row | {"reference_s": None, "floor_s": None, "ratio": None, "growth": growth}), flush=True)
        return
    cells = " | ".join(f"{found[rows][0]:.3f} | {found[rows][1]:.0f}" for rows in sizes)
    print(f"| {name} | {cells} | {growth} |", flush=True)


if __name__ == "__main__":
    main()
