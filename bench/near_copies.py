"""Near copies among real pictures: false alarms, and how many changed pictures are known again.

Reads every picture of rsna_jpeg640 and mini_mias below the folder that MAMMOSCOPE_DATA names, and every twelfth one
again after each of seven changes. Without that folder it says so and ends.

Run: MAMMOSCOPE_DATA=FOLDER python bench/near_copies.py [--json]
"""

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mammoscope.cohort.near_copies import LEAST_CORRELATION, MOST_BITS, near_copies
from mammoscope.images import Survey, survey
from mammoscope.workers.many import over_files

EVERY = 12
CHANGES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "mirrored": lambda picture: picture[:, ::-1],
    "inverted": lambda picture: 255 - picture,
    "0.8 times as bright": lambda picture: np.clip(picture * 0.8 + 10, 0, 255).astype(np.uint8),
    "JPEG quality 40": lambda picture: cv2.imdecode(cv2.imencode(".jpg", picture, [1, 40])[1], 0),
    "half size": lambda picture: cv2.resize(picture, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA),
    "gamma 0.8": lambda picture: (255 * (picture / 255.0) ** 0.8).astype(np.uint8),
    "2 % of rows cut": lambda picture: picture[picture.shape[0] // 50 :],
}


def seen(path: Path) -> tuple[Path, Survey, dict[str, Survey]]:
    """What a picture shows, and what it shows after each change; the changed ones only where the name asks for it."""
    changed: dict[str, Survey] = {}
    real = Path(str(path).removesuffix("#"))
    if real != path:
        picture = cv2.imread(str(real), cv2.IMREAD_GRAYSCALE)
        with tempfile.TemporaryDirectory() as folder:
            for name, change in CHANGES.items():
                cv2.imwrite(f"{folder}/a.png", change(picture))
                changed[name] = survey(Path(folder) / "a.png")
    return real, survey(real), changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="one JSON object a row")
    options = parser.parse_args()
    data = Path(os.environ.get("MAMMOSCOPE_DATA", "no folder"))
    paths = [
        *sorted((data / "rsna_jpeg640" / "train_images").rglob("*.jpg")),
        *sorted((data / "mini_mias").glob("*.png")),
    ]
    if not paths:
        sys.stderr.write("no real pictures: set MAMMOSCOPE_DATA to a folder with rsna_jpeg640 and mini_mias\n")
        return
    jobs = [Path(f"{path}#") if at % EVERY == 0 else path for at, path in enumerate(paths)]
    found = list(over_files(seen, jobs, crashed=lambda path, _: sys.exit(f"{path.name}: its decoder died")))
    signs, thumbs = np.stack([one.signs for _, one, _ in found]), np.stack([one.thumb for _, one, _ in found])
    alarms = len(near_copies(signs, thumbs)[0])
    bits = np.unpackbits(signs, axis=1).astype(np.float32) * 2 - 1
    upper = np.triu_indices(len(found), 1)
    nearest = int(((256 - bits @ bits.T) / 2)[upper].min())
    rows = [
        {"name": f"pairs of {len(found)} pictures", "pairs": len(upper[0]), "alarms": alarms, "nearest_bits": nearest}
    ]
    for name in CHANGES:
        both = [(one, changed[name]) for _, one, changed in found if changed]
        again = [len(near_copies(np.stack([a.signs, b.signs]), np.stack([a.thumb, b.thumb]))[0]) for a, b in both]
        rows.append({"name": f"known again: {name}", "pictures": len(both), "share": round(float(np.mean(again)), 3)})
    if not options.json:
        print(f"near: at most {MOST_BITS} of 256 signs differ, correlation at least {LEAST_CORRELATION}")
    for row in rows:
        print(json.dumps(row) if options.json else ", ".join(f"{key} {value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
