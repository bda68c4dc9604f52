"""A tree of DICOM files without labels: patient, breast and view as the headers state them."""

import logging
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mammoscope.errors import ImageError, SourceError
from mammoscope.records import Record
from mammoscope.sources.dicom_tags import Tags, tags_of
from mammoscope.sources.source import Source
from mammoscope.sources.tree import files_below

LOG = logging.getLogger(__name__)
SUFFIXES = (".dcm", ".dicom")
MODALITY = "MG"
PROCESSING = "FOR PROCESSING"


def _read(root: Path) -> Iterator[Record]:
    seen: dict[str, str] = {}
    left_out: Counter[str] = Counter()
    broken: list[str] = []
    for path, tags in tags_of(root, _dicom_files(root)):
        if isinstance(tags, ImageError):
            broken.append(f"{path} ({tags.code})")
            continue
        why = _unfit(tags)
        if why is not None:
            left_out[why] += 1
            continue
        image = _required(tags, "SOPInstanceUID", "SOP Instance UID (0008,0018)")
        if image in seen:
            names = f"{seen[image].rsplit('/', 1)[-1]} and {tags.file}"
            raise SourceError(f"{names}: two files for one image, they share SOP Instance UID. Keep one of them")
        seen[image] = path
        yield _record(tags, path, image)
    if broken:
        LOG.warning("%d files cannot be read, and are left out: %s", len(broken), ", ".join(broken))
    if left_out:
        counts = ", ".join(f"{count} {why}" for why, count in sorted(left_out.items()))
        LOG.warning("files that are no mammograms for presentation are left out: %s", counts)


def _dicom_files(root: Path) -> Iterator[str]:
    for path in files_below(root, suffixes=None):
        is_named = path.lower().endswith(SUFFIXES) or _has_preamble(root / path)
        if is_named and path.rsplit("/", 1)[-1] != "DICOMDIR":
            yield path


def _has_preamble(path: Path) -> bool:
    """Whether a file without the usual suffix begins as PS3.10 7.1 says."""
    if path.suffix:
        return False
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def _unfit(tags: Tags) -> str | None:
    """Why a file is no picture to train on; None if it is one."""
    modality = tags.text("Modality")
    if modality != MODALITY:
        return f"of modality {modality}" if modality else "of no stated modality"
    if (tags.whole("NumberOfFrames") or 1) > 1:
        return "of several frames"
    return "for processing" if tags.text("PresentationIntentType") == PROCESSING else None


def _required(tags: Tags, keyword: str, name: str) -> str:
    value = tags.text(keyword)
    if value is None:
        raise SourceError(f"{tags.file}: {name} is empty. Export the file again, or take it out")
    return value


def _record(tags: Tags, path: str, image: str) -> Record:
    return Record(
        source="dicom",
        patient_id=_required(tags, "PatientID", "Patient ID (0010,0020)"),
        image_id=image,
        path=path,
        exam_id=tags.text("StudyInstanceUID"),
        laterality=tags.laterality,
        view=tags.view,
        age_years=tags.age_years,
        implant=tags.implant,
        machine_id=tags.text("ManufacturerModelName"),
    )


DICOM = Source(
    name="dicom",
    read=_read,
    layout="any folders with DICOM files: *.dcm, *.dicom, or files without a suffix that begin as DICOM does",
    labels="none: every label is unknown",
    licence="that of your data",
    cite="your data's own paper",
    url="",
)
