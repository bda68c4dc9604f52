"""One series of the archive: what the server says of it, and its files put where the source looks for them."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from mammoscope.dicom.parsing import UNPARSABLE, parse, quiet
from mammoscope.download.failure import DamagedError
from mammoscope.download.manifest import Entry, saved
from mammoscope.errors import ImageError

Half = Literal["mass", "calc"]
Uid = Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]  # PS3.5 section 9.1


class Series(BaseModel):
    """One row of a server's list; what else stands in the row is left alone, for servers add columns.

    Attributes:
        subject: Patient ID (0010,0020) as the archive has it: set, patient, side, view, abnormality.
        images: Number of pictures.
        size_bytes: Their size together.
    """

    model_config = ConfigDict(frozen=True, extra="ignore", populate_by_name=True)

    uid: Uid = Field(alias="SeriesInstanceUID")
    study: Uid = Field(alias="StudyInstanceUID")
    subject: str = Field(alias="PatientID", pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,59}(\.dcm)?$")
    images: int | None = Field(default=None, alias="ImageCount", ge=1)
    size_bytes: int | None = Field(default=None, alias="FileSize", ge=0)

    @property
    def item(self) -> str:
        """Its name in the list of what is here."""
        return f"series {self.uid}"

    @property
    def listed(self) -> str:
        """The subject as the case tables write it.

        396 of the 6,775 series, all of the calcification test set, bear `P_00038_LEFT_CC.dcm` for
        `Calc-Test_P_00038_LEFT_CC`; with that, each series has the path that the tables list.

        Source:
            Index of the Imaging Data Commons, version 25, against the four tables.
        """
        return f"Calc-Test_{self.subject.removesuffix('.dcm')}" if self.subject.startswith("P_") else self.subject

    @property
    def folder(self) -> str:
        """Where its pictures go, as the case tables write it."""
        return f"{self.listed}/{self.study}/{self.uid}"

    @property
    def half(self) -> Half | None:
        """Which half of CBIS-DDSM it belongs to: the subject begins with it."""
        prefix = self.listed.partition("-")[0].lower()
        return "mass" if prefix == "mass" else "calc" if prefix == "calc" else None


def place(files: list[Path], *, series: Series, out: Path, origin: str, checked: str, slack_bytes: int = 0) -> Entry:
    """Check the files of a series and move them to their places, named `1-<instance number>.dcm`.

    Args:
        files: The files, on the same file system as `out`.
        series: What the server says of them.
        out: Folder of the data set.
        origin: Who they came from.
        checked: What their bytes were compared with; `size` is compared here.
        slack_bytes: How far the announced size may be off, where it was rounded.

    Returns:
        What goes into the list of what is here.

    Raises:
        DamagedError: Their number or size differs, or one is not a DICOM file of this series.
        OSError: The file system refused.
    """
    if series.images is not None and len(files) != series.images:
        raise DamagedError(f"{series.item}: {len(files)} pictures arrived, {series.images} are announced")
    total = sum(file.stat().st_size for file in files)
    if checked == "size" and abs(total - (series.size_bytes or 0)) > slack_bytes:
        raise DamagedError(f"{series.item}: {total:,} bytes arrived, {series.size_bytes:,} are announced")
    stated = [_instance_number(file, series) for file in files]
    numbers = [number for number in stated if number is not None]
    if len(set(numbers)) < len(files):  # missing or double: count them as they came
        numbers = list(range(1, len(files) + 1))
    folder = out / series.folder
    folder.mkdir(parents=True, exist_ok=True)
    placed = []
    for number, file in sorted(zip(numbers, files, strict=True)):
        placed.append(folder / f"1-{number}.dcm")
        file.replace(placed[-1])
    return Entry(item=series.item, origin=origin, checked=checked, files=tuple(saved(file, out=out) for file in placed))


def _instance_number(file: Path, series: Series) -> int | None:
    try:
        with quiet():
            header = parse(file, pixels=False)
        if not header:
            raise DamagedError(f"{series.item}: {file.name} is not a DICOM file")
        found, number = header.get("SeriesInstanceUID"), header.get("InstanceNumber")
        number = None if number is None else int(number)
    except (ImageError, *UNPARSABLE) as error:
        raise DamagedError(f"{series.item}: {file.name} is not a DICOM file ({type(error).__name__})") from error
    if found != series.uid:
        raise DamagedError(f"{series.item}: {file.name} is of series {found}")
    return number if number is not None and number > 0 else None
