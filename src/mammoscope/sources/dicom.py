"""A tree of DICOM files without labels: patient, breast and view as the headers state them."""

import logging
from collections.abc import Iterator
from pathlib import Path

from mammoscope.errors import ImageError, SourceError
from mammoscope.records import Record
from mammoscope.sources.dicom_tags import Tags, tags_of
from mammoscope.sources.source import Source
from mammoscope.sources.tree import files_below

LOG = logging.getLogger(__name__)
SUFFIXES = (".dcm", ".dicom")
NAMED = 10  # files that are left out, of each code, in the warning; the log at level INFO has all


def _read(root: Path) -> Iterator[Record]:
    seen: dict[str, str] = {}
    left_out: list[tuple[str, ImageError]] = []
    for path, tags in tags_of(root, _dicom_files(root)):
        if isinstance(tags, ImageError):
            left_out.append((path, tags))
            continue
        if tags.unfit is not None:
            left_out.append((path, tags.unfit))
            continue
        image = _required(tags, "SOPInstanceUID", "SOP Instance UID (0008,0018)")
        if image in seen:
            names = f"{seen[image].rsplit('/', 1)[-1]} and {tags.file}"
            raise SourceError(f"{names}: two files for one image, they share SOP Instance UID. Keep one of them")
        seen[image] = path
        yield _record(tags, path, image)
    if left_out:
        _tell(left_out)


def _tell(left_out: list[tuple[str, ImageError]]) -> None:
    """Name what is not in the index: a few files of each code, and each file with its reason where all is logged."""
    codes: dict[str, list[str]] = {}
    for path, why in left_out:
        codes.setdefault(why.code, []).append(path.rpartition("/")[2])  # a folder may be called after a patient
        LOG.info("left out: %s", why)
    told = "; ".join(f"{len(names):,} {code}: {_shown(names)}" for code, names in sorted(codes.items()))
    LOG.warning("left out, and `mammoscope -v index` says why of each: %s", told)


def _shown(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more:,} more" if more > 0 else "")


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
