"""What becomes of malformed DICOM files, drawn from a seed, in worker processes that are guarded: family by family.

No file may hold a worker for more than 5 s, cost it more than 1.5 GiB, end the program, or have an outcome beside a
readable mammogram and the codes of `mammoscope.images.CODES`. The families are in tests/malformed_*.py.

Run: python bench/malformed.py [--json] [--each 56] [--seed 0]
"""

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from malformed import malformed
from malformed_sweep import Row, summed, swept


def shown(row: Row) -> str:
    refused = ", ".join(f"{count} {code}" for code, count in row.refused.items())
    return f"| {row.family} | {row.files} | {row.read} | {refused} | {row.slowest_s:.2f} | {row.peak_mb:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    parser.add_argument("--each", type=int, default=56, help="files of each family")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        rows = summed(swept(malformed(options.seed, each=options.each), Path(folder)))
    if not options.json:
        print("| family | files | read | refused, by code | slowest s | peak MB |")
        print("|---|---|---|---|---|---|")
    for row in rows:
        print(json.dumps(asdict(row)) if options.json else shown(row))


if __name__ == "__main__":
    main()
