"""mini-MIAS: Info.txt and 322 film mammograms of 161 women, 1024 x 1024 pixels of 0.2 mm."""

import re
from collections.abc import Iterator
from pathlib import Path

from mammoscope.errors import SourceError
from mammoscope.records import Record, relative_path
from mammoscope.sources.source import Source
from mammoscope.vocabulary import LabelOrigin, Laterality, LesionKind, Pathology, Tissue, View

SIDE_PX = 1024  # Info.txt, note 2: all pictures are 1024 x 1024
SUFFIXES = (".pgm", ".png")
KINDS = {  # Info.txt, third column: kind, and margins in the words of CBIS-DDSM
    "CALC": (LesionKind.CALCIFICATION, None),
    "CIRC": (LesionKind.MASS, "CIRCUMSCRIBED"),
    "SPIC": (LesionKind.MASS, "SPICULATED"),
    "MISC": (LesionKind.MASS, "ILL_DEFINED"),
    "ARCH": (LesionKind.DISTORTION, None),
    "ASYM": (LesionKind.ASYMMETRY, None),
}
ROW = re.compile(
    r"(?P<image>mdb(?P<number>\d{3})) (?P<tissue>[FGD]) "
    rf"(NORM|(?P<kind>{'|'.join(KINDS)}) (?P<severity>[BM])"
    r"( (?P<x>\d+) (?P<y>\d+) (?P<radius>[1-9]\d*)| \*NOTE 3\*)?)",
    re.ASCII,
)


def _read(root: Path) -> Iterator[Record]:
    info = root / "Info.txt"
    if not info.is_file():
        raise SourceError(f"Info.txt: no such file in {root.name}. Put the data set's own Info.txt beside its pictures")
    found = {file.stem: relative_path(file, root) for file in _pictures(root)}
    suffix = Path(next(iter(found.values()), "mdb001.pgm")).suffix
    seen: dict[str, int] = {}
    for line, text in enumerate(info.read_text(encoding="ascii", errors="replace").splitlines(), start=1):
        row = _row(line, text, begun=bool(seen))
        if row is not None:
            image = row["image"]
            seen[image] = seen.get(image, 0) + 1
            yield _record(row, found.get(image, image + suffix), nth=seen[image])


def _row(line: int, text: str, *, begun: bool) -> re.Match[str] | None:
    """The row on a line of Info.txt; None on the prose above the list and on the rules around it."""
    words = " ".join(text.split())
    if not words.startswith("mdb") and (not begun or not words.strip("=")):
        return None
    row = ROW.fullmatch(words)
    if row is None:
        raise SourceError(
            f"Info.txt:{line}: {words!r} is not a row. Allowed are 'mdb001 G CIRC B 535 425 197', 'mdb003 D NORM', "
            "and a row that ends after B or M or with '*NOTE 3*'. Download the file again"
        )
    return row


def _record(row: re.Match[str], path: str, *, nth: int) -> Record:
    number = int(row["number"])
    malignant = row["severity"] == "M"
    kind, margins = KINDS[row["kind"]] if row["kind"] else (None, None)
    x, y, radius = (None if row[name] is None else float(row[name]) for name in ("x", "y", "radius"))
    box: tuple[float | None, ...] = (None, None, None, None)
    if x is not None and y is not None and radius is not None:
        row_from_top = SIDE_PX - y  # Info.txt, note 3: the origin is the bottom-left corner
        box = (x - radius, row_from_top - radius, x + radius, row_from_top + radius)
    return Record(
        source="mini_mias",
        patient_id=f"{(number + 1) // 2:03d}",  # Info.txt, note 1: films come in pairs of one woman
        image_id=row["image"],
        path=path,
        laterality=Laterality.LEFT if number % 2 == 0 else Laterality.RIGHT,  # note 1: even is left
        view=View.MLO,
        malignant=malignant,
        pathology=_pathology(row),
        label_origin=LabelOrigin.READER,
        tissue=Tissue(row["tissue"]),
        lesion_id=str(nth) if kind else None,
        lesion_kind=kind,
        lesion_margins=margins,
        lesion_x0=box[0],
        lesion_y0=box[1],
        lesion_x1=box[2],
        lesion_y1=box[3],
        lesion_round=None if x is None else True,
    )


def _pathology(row: re.Match[str]) -> Pathology:
    return {"M": Pathology.MALIGNANT, "B": Pathology.BENIGN, None: Pathology.NORMAL}[row["severity"]]


def _pictures(root: Path) -> list[Path]:
    """Pictures in the folder or one folder below it; the lossless original first where both are there."""
    files = [file for pattern in ("mdb*", "*/mdb*") for file in root.glob(pattern) if file.suffix in SUFFIXES]
    return sorted(files, key=lambda file: (-SUFFIXES.index(file.suffix), file))


MINI_MIAS = Source(
    name="mini_mias",
    read=_read,
    layout="Info.txt\nmdb001.pgm ... mdb322.pgm (or .png), beside it or in one folder",
    labels="M of the severity column is malignant, B and NORM are not; as the data set's two radiologists state it",
    licence="MIAS licence agreement: research only, cite, no redistribution",
    cite="Suckling J et al. The Mammographic Image Analysis Society Digital Mammogram Database. "
    "Excerpta Medica, International Congress Series 1069:375-378 (1994)",
    url="http://peipa.essex.ac.uk/info/mias.html",
)
