"""How far the final pixels are from what a reader gets that decodes every pixel and averages once; not a timing.

In grey levels of 255. The reference is tests/full_resolution.py: full decode, the same header decisions and window, and
the same place of the crop, so that like is compared with like; how far apart the crops are that both would have chosen
is given in final pixels. The background is not cleared. `mean` and `p99` are over the breast (a mean of the files, and
the worst file), `largest` over everything kept, labels and markers included: there the filters differ at hard edges.

Run: python bench/differences.py [--json] [--data FOLDER] [--jpegs 300]
"""

import random
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from parts.films import breast, write_dicom, write_film
from parts.rounds import options_of, told

from full_resolution import difference
from mammoscope.images import Preprocess

SIZES = ((224, 224), (1152, 896))
REGIONS = ("whole", "breast")


def groups(data: Path, folder: Path, *, jpegs: int) -> Iterator[tuple[str, list[Path]]]:
    """What is compared, by kind."""
    plain, padded, film = folder / "plain.dcm", folder / "padded.dcm", folder / "film.jpg"
    write_dicom(breast(5900, 3200), plain)
    write_dicom(breast(5900, 3200), padded, padding=True)
    write_film(film, rows=4616, cols=3016)
    yield "phantom, uncompressed 5900x3200", [plain, padded]
    yield "phantom, JPEG 4616x3016", [film]
    dicom = data / "rsna_dicom" / "train_images"
    yield "RSNA, JPEG 2000 5355x4915", sorted((dicom / "10006").glob("*.dcm"))
    yield "RSNA, JPEG 2000 2776x2082", sorted((dicom / "10011").glob("*.dcm"))
    every = sorted((data / "rsna_jpeg640").rglob("*.jpg"))
    some = random.Random(0).sample(every, jpegs) if 0 < jpegs < len(every) else every  # noqa: S311
    yield f"RSNA, JPEG 640x640, {len(some)} of {len(every)}", some
    yield "mini-MIAS, PNG 1024x1024", sorted((data / "mini_mias").glob("*.png"))


def main() -> None:
    parser = options_of(__doc__)
    parser.add_argument("--jpegs", type=int, default=300, help="of the JPEG files, drawn from a seed; 0 takes all")
    options = parser.parse_args()
    cv2.setRNGSeed(0)
    first = True
    with TemporaryDirectory() as folder:
        for name, files in groups(options.data, Path(folder), jpegs=options.jpegs):
            if not files:
                sys.stderr.write(f"{name}: no real files; name their folder with --data\n")
                continue
            for size in SIZES:
                for region in REGIONS:
                    wanted = Preprocess(rows=size[0], cols=size[1], region=region)  # type: ignore[arg-type]
                    found = [difference(path, wanted=wanted) for path in files]
                    mean, p99 = [one.mean for one in found], [one.p99 for one in found]
                    row = {"name": name, "to": f"{size[0]}x{size[1]}", "region": region, "n": len(files)}
                    row |= {"mean": np.mean(mean), "worst_mean": max(mean), "p99": np.mean(p99), "worst_p99": max(p99)}
                    row["largest"] = max(one.largest for one in found)
                    row["bias"] = max((one.bias for one in found), key=abs)
                    row["crop_px"] = max(one.crop_px for one in found)
                    row = {key: round(float(v), 3) if isinstance(v, float) else v for key, v in row.items()}
                    row["other_decisions"] = sum(not one.same_decisions for one in found)
                    told(row, as_json=options.json, first=first)
                    first = False


if __name__ == "__main__":
    main()
