"""A phantom data set laid out like VinDr-Mammo: breast and finding tables with boxes, MG files named .dicom."""

import hashlib
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mammoscope.phantom.cbis_tables import table
from mammoscope.phantom.exam import BILATERAL, VIEWS
from mammoscope.phantom.layout import Entry, Layout
from mammoscope.phantom.machine import FLAT, STRONG, Machine
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.mg import Mammography
from mammoscope.phantom.picture import Picture
from mammoscope.phantom.quirk_files import OF_FILES, OF_TAGS
from mammoscope.phantom.quirk_screening import OF_VINDR
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.screening import Screened, Side, best_by_breast, draw_screened
from mammoscope.phantom.screening_truth import SCREENING_HEADER, place_of, truth_row
from mammoscope.phantom.settings import Settings
from mammoscope.phantom.shot import shoot
from mammoscope.vocabulary import Part, View

SHARE = 0.30  # of the women have a lesion, as in the RSNA layout
BREASTS, FINDINGS, METADATA = "breast-level_annotations.csv", "finding_annotations.csv", "metadata.csv"
SHARED = ("study_id", "series_id", "image_id", "laterality", "view_position", "height", "width")
BREAST_HEADER = (*SHARED, "breast_birads", "breast_density", "split")
FINDING_HEADER = (
    *(*SHARED, "breast_birads", "breast_density", "finding_categories", "finding_birads"),
    *("xmin", "ymin", "xmax", "ymax", "split"),
)
METADATA_HEADER = (
    *("Study Instance UID", "Series Instance UID", "SOP Instance UID", "Photometric Interpretation", "Rows"),
    *("Columns", "Imager Pixel Spacing", "Manufacturer", "Manufacturer's Model Name", "Patient's Age"),
)
PARTS = {Part.TRAIN: "training", Part.TEST: "test"}
PROBABLY_BENIGN = 0.12  # of the lesions that are not malignant have category 3, which leaves their label open


def _draw(number: int, settings: Settings) -> Screened:
    return draw_screened(number, settings, share=SHARE)


def category(woman: Screened, side: Side) -> int:
    """The readers' category of a breast. It is the label here, so it follows the drawn one."""
    finding = side.finding
    if finding is None:
        return 1
    if finding.malignant:
        return 5 if finding.lesion.suspicion > 0.72 else 4
    return 3 if woman.draw[1] < PROBABLY_BENIGN else 2


def _write(woman: Screened, part: Part, folder: Path, settings: Settings) -> list[Entry]:
    machine = STRONG if woman.draw[0] < 0.7 else FLAT
    shots = [(side, view) for side in woman.sides for view in VIEWS]
    return [
        _write_view(woman, side, view, nth, part, folder, settings, machine)
        for nth, (side, view) in enumerate(shots, start=1)
    ]


def _write_view(
    woman: Screened,
    side: Side,
    view: View,
    nth: int,
    part: Part,
    folder: Path,
    settings: Settings,
    machine: Machine,
) -> Entry:
    key = ("mammoscope phantom vindr", settings, woman.number)
    study, series, image = (_name(*key, *more) for more in ((), ("series",), (nth,)))
    path = f"images/{study}/{image}.dicom"
    picture, about = shoot(
        woman,
        side,
        view,
        machine=machine,
        settings=settings,
        key=key,
        number=nth,
        patient_id=study,
        file=folder / path,
    )
    ids = {"study_id": study, "series_id": series, "image_id": image}
    found = category(woman, side)
    rows = _rows(side, view, picture, ids | {"split": PARTS[part]}, found)
    label = {1: "0", 2: "0", 3: "", 4: "1", 5: "1"}[found]
    shared = {
        "patient_id": study,
        "part": part.value,
        "image_id": image,
        "malignant": label,
        "age_years": str(woman.age_years),
        "machine_id": machine.model,
        "image": path,
    }
    truth = truth_row(side, view=view, picture=picture, shared=shared)
    return Entry(rows=(*rows, (METADATA, _metadata(ids, about, machine, picture))), truth=truth)


def _rows(side: Side, view: View, picture: Picture, ids: Cells, found: int) -> tuple[tuple[str, Cells], ...]:
    breast = ids | {
        "laterality": side.breast.laterality.value,
        "view_position": view.value,
        "height": str(picture.pixels.shape[0]),
        "width": str(picture.pixels.shape[1]),
        "breast_birads": f"BI-RADS {found}",
        "breast_density": f"DENSITY {side.breast.density.value}",
    }
    finding = breast | dict.fromkeys(("finding_birads", "xmin", "ymin", "xmax", "ymax"), "")
    finding |= {"finding_categories": "['No Finding']"}
    place = place_of(picture)
    if place is not None and side.finding is not None and found > 2:  # the tables box what is above category 2
        name = "Mass" if isinstance(side.finding.lesion, Mass) else "Suspicious Calcification"
        finding |= {"finding_categories": f"['{name}']", "finding_birads": f"BI-RADS {found}"}
        finding |= dict(zip(("xmin", "ymin", "xmax", "ymax"), (f"{c:.1f}" for c in place.box), strict=True))
    return (BREASTS, breast), (FINDINGS, finding)


def _metadata(ids: Cells, about: Mammography, machine: Machine, picture: Picture) -> Cells:
    cells = (
        ids["study_id"],
        ids["series_id"],
        ids["image_id"],
        "MONOCHROME1" if machine.inverted else "MONOCHROME2",
        str(picture.pixels.shape[0]),
        str(picture.pixels.shape[1]),
        f"[{picture.spacing_mm:.4f}, {picture.spacing_mm:.4f}]",
        "mammoscope phantom",
        machine.model,
        f"{about.age_years:03d}Y",
    )
    return dict(zip(METADATA_HEADER, cells, strict=True))


def _name(*key: object) -> str:
    """32 digits without a meaning, as the data set names its studies, series and images."""
    return hashlib.blake2b("/".join(map(str, key)).encode(), digest_size=16).hexdigest()


def _csv(rows: Sequence[Cells], *, header: tuple[str, ...]) -> str:
    return table(header, rows, line_end="\n")


VINDR = Layout(
    name="vindr",
    draw=_draw,
    write=_write,
    tables={
        BREASTS: partial(_csv, header=BREAST_HEADER),
        FINDINGS: partial(_csv, header=FINDING_HEADER),
        METADATA: partial(_csv, header=METADATA_HEADER),
    },
    truth=SCREENING_HEADER,
    ours=re.compile(f"{BREASTS}|{FINDINGS}|{METADATA}|images"),
    best=partial(best_by_breast, share=SHARE, bilateral=BILATERAL, unknown=PROBABLY_BENIGN),
    parts=True,
    most_patients=99_999,
    film=False,
    quirks=OF_FILES | OF_TAGS | OF_VINDR,
)
