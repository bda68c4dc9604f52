"""One view of one lesion in CBIS-DDSM's layout: three pictures, a table row and the truth."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt8, UInt16

from mammoscope.phantom.cbis_tables import CASES, SIDES, TRUTH_HEADER, case, kind_of
from mammoscope.phantom.dicom import Capture, uid, write_capture
from mammoscope.phantom.exam import VIEWS, Finding, Patient, lesion_places
from mammoscope.phantom.layout import Entry
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.picture import Picture, take
from mammoscope.phantom.quirks import Cells
from mammoscope.phantom.settings import Settings
from mammoscope.vocabulary import Part, View

FULL_SERIES, CROP_SERIES, MASK_SERIES = "full mammogram images", "cropped images", "ROI mask images"
Pixels = UInt16[np.ndarray, "rows cols"] | UInt8[np.ndarray, "rows cols"]
CROP_MARGIN = 0.15  # around the box of the lesion, as a share of its longer side


class Quirk(StrEnum):
    """What is odd about the crop and mask of one lesion, as in the archive."""

    NONE = "none"  # one series, as the table says: a mass has its crop in 1-1.dcm, calcifications have it in 1-2.dcm
    SWAPPED = "swapped"  # one series, the two files exchanged: table and series descriptions are wrong
    TWO_SERIES = "two series"  # each in its own, both listed as 000000.dcm
    MISDESCRIBED = "misdescribed"  # only the series descriptions are exchanged


QUIRK_FREQUENCIES = {Quirk.NONE: 0.70, Quirk.SWAPPED: 0.12, Quirk.TWO_SERIES: 0.10, Quirk.MISDESCRIBED: 0.08}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A file in the archive: its folders, its name on disk, and the name the table gives it."""

    subject: str
    study_uid: str
    series_uid: str
    number: int

    @property
    def on_disk(self) -> str:
        """In the archive."""
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/1-{self.number}.dcm"

    @property
    def listed(self) -> str:
        """In the tables."""
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/{self.number - 1:06d}.dcm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edition:
    """How one edition of the data set keeps a picture.

    Attributes:
        path: Of a place, relative to the folder.
        write: Writes pixels to a path.
        about: What the edition's table of files says of it: name of that table, and the row; None without one.
        tables: Folder of the case tables, with a slash at its end.
    """

    path: Callable[[Place], str]
    write: Callable[[Pixels, Path, Capture], None]
    about: Callable[[Pixels, Place, Capture], tuple[str, Cells]] | None = None
    tables: str = ""


def _write_capture(pixels: Pixels, path: Path, capture: Capture) -> None:
    write_capture(pixels, path, capture=capture)


ARCHIVE = Edition(path=lambda place: place.on_disk, write=_write_capture)


def write_patient(patient: Patient, part: Part, folder: Path, settings: Settings, edition: Edition) -> list[Entry]:
    """Draw the views of a patient's lesions and write their files.

    Raises:
        StorageError: The file system refused.
    """
    return [
        _write_view(patient.patient_id, finding, view, part, folder, settings, edition)
        for finding in patient.findings
        for view in VIEWS
    ]


def _write_view(
    patient_id: str, finding: Finding, view: View, part: Part, folder: Path, settings: Settings, edition: Edition
) -> Entry:
    breast = finding.breast
    picture = take(breast, view=view, rows=settings.rows, wear=settings.wear)
    random = breast.random(view, 4)
    quirk = Quirk(random.choice([q.value for q in Quirk], p=[QUIRK_FREQUENCIES[q] for q in Quirk]))
    kind = "Mass" if isinstance(finding.lesion, Mass) else "Calc"
    side = "Test" if part is Part.TEST else "Training"
    subject = f"{kind}-{side}_{patient_id}_{SIDES[breast.laterality]}_{view}"
    places = _places(subject, quirk, settings, crop_first=isinstance(finding.lesion, Mass))
    image, crop, mask = places
    rows = _write_files(picture, folder, places, quirk=quirk, finding=finding, view=view, edition=edition)
    listed = (mask, crop) if quirk is Quirk.SWAPPED else (crop, mask)
    row = case(patient_id, finding=finding, view=view, image=image.listed, crop=listed[0].listed, mask=listed[1].listed)
    files = (edition.path(image), edition.path(mask), edition.path(crop))
    truth = _truth(patient_id, finding, view, part, picture, quirk, files)
    return Entry(rows=((edition.tables + CASES[part, kind_of(finding)], row), *rows), truth=truth)


def _places(subject: str, quirk: Quirk, settings: Settings, *, crop_first: bool) -> tuple[Place, Place, Place]:
    """Where the full picture, the crop and the mask lie."""
    key = ("mammoscope phantom", settings, subject)
    image = Place(subject=subject, study_uid=uid(*key, "study"), series_uid=uid(*key, "series"), number=1)
    study, series, other = (uid(*key, 1, word) for word in ("study", "series", "other series"))
    numbers = (1, 2) if crop_first is not (quirk is Quirk.SWAPPED) else (2, 1)
    numbers = (1, 1) if quirk is Quirk.TWO_SERIES else numbers
    mask_series = other if quirk is Quirk.TWO_SERIES else series
    crop = Place(subject=f"{subject}_1", study_uid=study, series_uid=series, number=numbers[0])
    mask = Place(subject=f"{subject}_1", study_uid=study, series_uid=mask_series, number=numbers[1])
    return image, crop, mask


def _write_files(
    picture: Picture,
    folder: Path,
    places: tuple[Place, Place, Place],
    *,
    quirk: Quirk,
    finding: Finding,
    view: View,
    edition: Edition,
) -> list[tuple[str, Cells]]:
    mask = _mask(picture)
    contents = (picture.pixels, _crop(picture.pixels, mask), mask.astype(np.uint8) * np.uint8(255))
    exchanged = quirk in {Quirk.SWAPPED, Quirk.MISDESCRIBED}
    words = (FULL_SERIES, *((MASK_SERIES, CROP_SERIES) if exchanged else (CROP_SERIES, MASK_SERIES)))
    rows = []
    for pixels, place, word in zip(contents, places, words, strict=True):
        capture = Capture(
            subject=place.subject,
            description=word,
            study_uid=place.study_uid,
            series_uid=place.series_uid,
            number=place.number,
            laterality=finding.breast.laterality,
            view=view,
        )
        edition.write(pixels, folder / edition.path(place), capture)
        if edition.about is not None:
            rows.append(edition.about(pixels, place, capture))
    return rows


def _mask(picture: Picture) -> Bool[np.ndarray, "rows cols"]:
    return np.zeros(picture.pixels.shape, bool) if picture.mask is None else picture.mask


def _crop(
    pixels: UInt16[np.ndarray, "rows cols"], mask: Bool[np.ndarray, "rows cols"]
) -> UInt16[np.ndarray, "height width"]:
    """The box of the lesion with a margin."""
    y, x = np.nonzero(mask)
    margin = round(CROP_MARGIN * max(np.ptp(y), np.ptp(x)))
    top, left = max(0, y.min() - margin), max(0, x.min() - margin)
    return np.ascontiguousarray(pixels[top : y.max() + margin + 1, left : x.max() + margin + 1])


def _truth(
    patient_id: str,
    finding: Finding,
    view: View,
    part: Part,
    picture: Picture,
    quirk: Quirk,
    files: tuple[str, str, str],
) -> dict[str, str]:
    """The row of the truth: centre of the mask in pixels from the top left corner, centre of a pixel at 0."""
    y, x = np.nonzero(_mask(picture))
    suspicion = f"{finding.lesion.suspicion:.4f}"
    nipple_x = finding.breast.outline(view).nipple[0]
    cells = (
        patient_id,
        part.value,
        finding.breast.laterality.value,
        view.value,
        f"{kind_of(finding)}-1",
        f"{x.mean():.2f}",
        f"{y.mean():.2f}",
        f"{nipple_x - lesion_places(finding.breast, lesion=finding.lesion)[view][0]:.2f}",
        f"{finding.lesion.diameter_mm:.2f}",
        *((suspicion, "") if isinstance(finding.lesion, Mass) else ("", suspicion)),
        f"{finding.p_malignant:.4f}",
        str(int(finding.malignant)),
        finding.breast.density.value,
        f"{picture.spacing_mm:.5f}",
        quirk.value,
        *files,
    )
    return dict(zip(TRUTH_HEADER, cells, strict=True))
