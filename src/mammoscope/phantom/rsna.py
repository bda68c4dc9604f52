"""A phantom data set laid out like RSNA 2022: four views of each woman, train.csv, MG files of several machines."""

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from mammoscope.phantom.cbis_tables import table
from mammoscope.phantom.dicom import uid
from mammoscope.phantom.exam import BILATERAL, VIEWS
from mammoscope.phantom.layout import Entry, Layout
from mammoscope.phantom.machine import FLAT, INVERSE, STRONG, Machine
from mammoscope.phantom.quirk_files import OF_FILES, OF_TAGS
from mammoscope.phantom.quirk_screening import OF_RSNA
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.screening import Screened, Side, best_by_breast, draw_screened
from mammoscope.phantom.screening_truth import SCREENING_HEADER, truth_row
from mammoscope.phantom.settings import Settings
from mammoscope.phantom.shot import shoot
from mammoscope.vocabulary import Part, View

SHARE = 0.30  # of the women have a lesion, half of these a malignant one; the table's 2 % would take thousands
MACHINES = ((0.54, STRONG), (0.77, FLAT), (1.0, INVERSE))  # 54 % of the table's rows are of the first site
HEADER = (  # of the challenge's own train.csv
    *("site_id", "patient_id", "image_id", "laterality", "view", "age", "cancer", "biopsy", "invasive", "BIRADS"),
    *("implant", "density", "machine_id", "difficult_negative_case"),
)
FIRST_PATIENT = 10_000
RECALLED = 0.25  # suspicion as the reader sees it, from which on she asks for more pictures
INVASIVE = 0.706  # of the malignant ones: 818 of the table's 1,158


def _draw(number: int, settings: Settings) -> Screened:
    return draw_screened(number, settings, share=SHARE)


def machine_of(woman: Screened) -> Machine:
    """The machine that took her pictures."""
    return next(machine for limit, machine in MACHINES if woman.draw[0] < limit)


def _write(woman: Screened, part: Part, folder: Path, settings: Settings) -> list[Entry]:  # noqa: ARG001 no split here
    shots = [(side, view) for side in woman.sides for view in VIEWS]
    return [_write_view(woman, side, view, nth, folder, settings) for nth, (side, view) in enumerate(shots, start=1)]


def _write_view(woman: Screened, side: Side, view: View, nth: int, folder: Path, settings: Settings) -> Entry:
    machine = machine_of(woman)
    patient = str(FIRST_PATIENT + woman.number)
    key = ("mammoscope phantom rsna", settings, patient)
    image = str(10**8 + int(uid(*key, nth)[5:]) % (9 * 10**8))
    path = f"train_images/{patient}/{image}.dcm"
    picture, _ = shoot(
        woman,
        side,
        view,
        machine=machine,
        settings=settings,
        key=key,
        number=nth,
        patient_id=patient,
        file=folder / path,
    )
    row = _row(woman, side, machine) | {"patient_id": patient, "image_id": image, "view": view.value}
    shared = {
        "patient_id": patient,
        "image_id": image,
        "age_years": str(woman.age_years),
        "machine_id": machine.machine_id,
        "image": path,
    }
    return Entry(rows=(("train.csv", row),), truth=truth_row(side, view=view, picture=picture, shared=shared))


def _row(woman: Screened, side: Side, machine: Machine) -> Cells:
    """What the table says of a breast; the second site gives neither assessments nor density."""
    finding = side.finding
    recalled = finding is not None and (finding.malignant or finding.lesion.suspicion > RECALLED)
    assessment = "0" if recalled else "1" if finding is None else "2"
    stated = machine.site_id == "1"
    benign_biopsy = recalled and woman.draw[1] < 0.3
    return dict.fromkeys(HEADER, "") | {
        "site_id": machine.site_id,
        "laterality": side.breast.laterality.value,
        "age": str(woman.age_years),
        "cancer": str(int(side.malignant)),
        "biopsy": str(int(side.malignant or benign_biopsy)),
        "invasive": str(int(side.malignant and woman.draw[2] < INVASIVE)),
        "BIRADS": assessment if stated else "",
        "implant": "0",
        "density": side.breast.density.value if stated else "",
        "machine_id": machine.machine_id,
        "difficult_negative_case": str(recalled and not side.malignant),
    }


def _csv(rows: Sequence[Cells]) -> str:
    return table(HEADER, rows, line_end="\n")


RSNA = Layout(
    name="rsna",
    draw=_draw,
    write=_write,
    tables={"train.csv": _csv},
    truth=SCREENING_HEADER,
    ours=re.compile(r"train\.csv|train_images"),
    best=partial(best_by_breast, share=SHARE, bilateral=BILATERAL),
    parts=False,
    most_patients=89_999,
    film=False,
    quirks=OF_FILES | OF_TAGS | OF_RSNA,
)
