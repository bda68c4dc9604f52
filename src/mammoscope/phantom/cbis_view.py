"""One view of one lesion in CBIS-DDSM's layout: three DICOM files, a table row and the truth."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
from jaxtyping import Bool, UInt16

from mammoscope.phantom.cbis_tables import SIDES, TRUTH_HEADER, case, kind_of
from mammoscope.phantom.dicom import Capture, uid, write_capture
from mammoscope.phantom.exam import Finding, lesion_places
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.picture import Picture, take
from mammoscope.vocabulary import Part, View

FULL_SERIES, CROP_SERIES, MASK_SERIES = "full mammogram images", "cropped images", "ROI mask images"
CROP_MARGIN = 0.15  # around the box of the lesion, as a share of its longer side


class Quirk(StrEnum):
    """What is odd about the crop and mask of one lesion, as in the archive."""

    NONE = "none"  # one series, as the table says: a mass has its crop in 1-1.dcm, calcifications have it in 1-2.dcm
    SWAPPED = "swapped"  # one series, the two files exchanged: table and series descriptions are wrong
    TWO_SERIES = "two series"  # each in its own, both listed as 000000.dcm
    MISDESCRIBED = "misdescribed"  # only the series descriptions are exchanged


QUIRK_FREQUENCIES = {Quirk.NONE: 0.70, Quirk.SWAPPED: 0.12, Quirk.TWO_SERIES: 0.10, Quirk.MISDESCRIBED: 0.08}


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What decides the bytes of a phantom."""

    patients: int
    seed: int
    rows: int
    difficulty: float
    contrast: float
    calcifications: float
    wear: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What one view of one lesion adds to the tables."""

    kind: str
    case: dict[str, str]
    truth: dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """A file in the archive: its folders, its name on disk, and the name the table gives it."""

    subject: str
    study_uid: str
    series_uid: str
    number: int

    @property
    def on_disk(self) -> str:
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/1-{self.number}.dcm"

    @property
    def listed(self) -> str:
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/{self.number - 1:06d}.dcm"


def write_view(patient_id: str, *, finding: Finding, view: View, part: Part, folder: Path, settings: Settings) -> Rows:
    """Draw one view of a breast with a lesion, write its three files and return its rows.

    Raises:
        StorageError: The file system refused.
    """
    breast = finding.breast
    picture = take(breast, view=view, rows=settings.rows, wear=settings.wear)
    random = breast.random(view, 4)
    quirk = Quirk(random.choice([q.value for q in Quirk], p=[QUIRK_FREQUENCIES[q] for q in Quirk]))
    kind = "Mass" if isinstance(finding.lesion, Mass) else "Calc"
    side = "Test" if part is Part.TEST else "Training"
    subject = f"{kind}-{side}_{patient_id}_{SIDES[breast.laterality]}_{view}"
    image, crop, mask = _places(subject, quirk, settings, crop_first=isinstance(finding.lesion, Mass))
    _write_files(picture, folder=folder, places=(image, crop, mask), quirk=quirk, finding=finding, view=view)
    listed = (mask, crop) if quirk is Quirk.SWAPPED else (crop, mask)
    row = case(patient_id, finding=finding, view=view, image=image.listed, crop=listed[0].listed, mask=listed[1].listed)
    files = (image.on_disk, mask.on_disk, crop.on_disk)
    return Rows(kind=kind_of(finding), case=row, truth=_truth(patient_id, finding, view, part, picture, quirk, files))


def _places(subject: str, quirk: Quirk, settings: Settings, *, crop_first: bool) -> tuple[_Place, _Place, _Place]:
    """Where the full picture, the crop and the mask lie."""
    key = ("mammoscope phantom", settings, subject)
    image = _Place(subject=subject, study_uid=uid(*key, "study"), series_uid=uid(*key, "series"), number=1)
    study, series, other = (uid(*key, 1, word) for word in ("study", "series", "other series"))
    numbers = (1, 2) if crop_first is not (quirk is Quirk.SWAPPED) else (2, 1)
    numbers = (1, 1) if quirk is Quirk.TWO_SERIES else numbers
    mask_series = other if quirk is Quirk.TWO_SERIES else series
    crop = _Place(subject=f"{subject}_1", study_uid=study, series_uid=series, number=numbers[0])
    mask = _Place(subject=f"{subject}_1", study_uid=study, series_uid=mask_series, number=numbers[1])
    return image, crop, mask


def _write_files(
    picture: Picture,
    *,
    folder: Path,
    places: tuple[_Place, _Place, _Place],
    quirk: Quirk,
    finding: Finding,
    view: View,
) -> None:
    mask = _mask(picture)
    contents = (picture.pixels, _crop(picture.pixels, mask), mask.astype(np.uint8) * np.uint8(255))
    exchanged = quirk in {Quirk.SWAPPED, Quirk.MISDESCRIBED}
    words = (FULL_SERIES, *((MASK_SERIES, CROP_SERIES) if exchanged else (CROP_SERIES, MASK_SERIES)))
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
        write_capture(pixels, folder / place.on_disk, capture=capture)


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
