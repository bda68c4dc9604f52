"""One DICOM file as a picture: refused by policy, its pixels left in the file until needed."""

import mmap
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Literal

from mammoscope.dicom import facts
from mammoscope.dicom.display import Lut, Rescale
from mammoscope.dicom.header import Header, tagged
from mammoscope.dicom.parsing import looks_like_dicom, parse, quiet
from mammoscope.errors import ImageError
from mammoscope.images.levels import Levels, SlabLevels
from mammoscope.images.picture import Picture
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.stored import Layout, layout_of, levels_of
from mammoscope.trail import refusal

PIXEL_DATA = b"\xe0\x7f\x10\x00O"  # (7FE0,0010), VR OB or OW, in little endian with explicit VR


def read_dicom(path: Path, *, wanted: Preprocess) -> Picture:
    """Read the header of one DICOM file; its pixels are decoded when they are asked for.

    Args:
        path: The file.
        wanted: Which window, and which slices of a volume.

    Raises:
        ImageError: It cannot be read, or is no mammogram for presentation; see `CODES`.
    """
    header = _parsed(path)
    traits = facts.refuse_by_policy(header, accept=wanted.accept)
    if "PixelData" not in header.dataset:
        raise _without_pixels(path)
    layout = layout_of(header)
    levels = _levels(header, layout, wanted)
    if layout.frames > 1 and wanted.slab is not None:
        header = replace(header, frame=wanted.slab[0] - 1)
    picture = _picture(header, layout, levels, wanted=wanted)
    return replace(picture, traits=traits, trail=tuple(header.trail))


def read_size(path: Path) -> tuple[tuple[int, int], tuple[float, float] | None]:
    """Rows and columns, and height and width of a pixel in mm, of one DICOM file; its pixels are not read.

    Raises:
        ImageError: The header cannot be parsed, or does not say how large the picture is.
    """
    with quiet():
        header = _parsed(path, pixels=False)
        if "Rows" not in header.dataset:
            raise refusal(path, "no_pixels", f"has no {tagged('Rows')}. Leave it out of the index")
        return (header.required("Rows"), header.required("Columns")), facts.spacing_of(header)


def count_slices(path: Path) -> int:
    """Number of Frames (0028,0008) of one DICOM file, 1 of any other, also of one that cannot be opened.

    Raises:
        ImageError: The header cannot be parsed.
    """
    try:
        if not path.is_file():
            return 1
        with path.open("rb") as file:
            if not looks_like_dicom(file.read(132)):
                return 1
    except OSError:  # reading it says why
        return 1
    with quiet():
        return max(1, _parsed(path, pixels=False).whole("NumberOfFrames") or 1)


def _without_pixels(path: Path) -> ImageError:
    """An object that has none, or a file that was cut within them: the parser then drops the element in silence."""
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        if mapped.find(PIXEL_DATA) >= 0:
            return refusal(path, "truncated", "ends before its pixels do. Fetch the file again")
    return refusal(path, "no_pixels", f"has no {tagged('PixelData')}. Leave it out of the index")


def _levels(header: Header, layout: Layout, wanted: Preprocess) -> Levels:
    """The one picture of the file, or the slices that were asked for."""
    if layout.frames == 1:
        if wanted.slab is not None:
            header.note(
                "slices", "the one picture of the file", f"it is no volume: {tagged('NumberOfFrames')} is not above 1"
            )
        return levels_of(header, layout, frame=0)
    if wanted.slab is None:
        what = (
            f"holds {layout.frames} slices. Name the slab to read, slab = [first, last] of [preprocess], "
            "or read them one by one: --slices, or read_slices in Python"
        )
        raise refusal(header.path, "multi_frame", what)
    first, last = wanted.slab
    if last > layout.frames:
        what = f"holds {layout.frames} slices, and slab is {first} to {last}. Name slices that it has"
        raise refusal(header.path, "multi_frame", what)
    told = f"slice {first}" if first == last else f"{wanted.slab_by} of slices {first} to {last}"
    header.note("slices", f"{told} of {layout.frames}", f"slab, {tagged('NumberOfFrames')} = {layout.frames}")
    slices = tuple(levels_of(header, layout, frame=at) for at in range(first - 1, last))
    if len(slices) == 1:
        return slices[0]
    _hold_together(header, wanted, slab=(first, last))
    return SlabLevels(slices=slices, by=_combined(header, wanted))


def _hold_together(header: Header, wanted: Preprocess, *, slab: tuple[int, int]) -> None:
    """Refuse a slab of slices whose values or sizes are not of one kind, or go through a table; note unlike windows.

    Source:
        DICOM PS3.3 A.55.2: slices have the Identity Pixel Value Transformation; C.7.6.16 for groups of single frames.
    """
    first, *others = (replace(header.unheard(), frame=number - 1) for number in range(slab[0], slab[1] + 1))
    alone = "Read them one by one: --slices, or read_slices in Python"
    if any(isinstance(facts.modality_of(each), Lut) for each in (first, *others)):
        told = f"{tagged('ModalityLUTSequence')} is a table, which comes before any averaging, so slices make no slab"
        raise refusal(header.path, "unsupported_pixels", f"{told}. {alone}")
    for asked, what in ((facts.modality_of, "rescale"), (facts.spacing_of, "spacing")):
        for at, other in enumerate(others, start=slab[0] + 1):
            one, another = asked(first), asked(other)
            if one != another:
                told = f"slices {slab[0]} and {at} differ in {what}: {one} and {another}. {alone}"
                raise refusal(header.path, "unsupported_pixels", told)
    how = partial(facts.voi_of, index=wanted.window_index, explanation=wanted.window_explanation)
    shown = _comparable(how(first))
    differ = sum(_comparable(how(other)) != shown for other in others)
    if wanted.window == "header" and differ:
        cause = f"slab, {tagged('FrameVOILUTSequence')} of each slice"
        header.note("oddity", f"{differ} slices have another window than slice {slab[0]}, which shows the slab", cause)


def _comparable(value: object) -> object:
    """A table by its entries, which arrays do not compare as one; anything else as it is."""
    return (value.first, value.bits, value.entries.tobytes()) if isinstance(value, Lut) else value


def _combined(header: Header, wanted: Preprocess) -> Literal["mean", "max", "min"]:
    """How stored values are combined: the brightest of them is the lowest where low values are shown bright."""
    modality, inverted = facts.modality_of(header.unheard()), facts.inversion_of(header.unheard())
    falling = isinstance(modality, Rescale) and modality.slope < 0
    return "min" if wanted.slab_by == "max" and bool(inverted) != falling else wanted.slab_by


def _picture(header: Header, layout: Layout, levels: Levels, *, wanted: Preprocess) -> Picture:
    if not str(header.word("PhotometricInterpretation")).startswith("MONOCHROME"):
        header.note("oddity", "neither MONOCHROME1 nor MONOCHROME2", tagged("PhotometricInterpretation"))
    return Picture(
        levels=levels,
        modality=facts.modality_of(header),
        voi=facts.voi_of(header, index=wanted.window_index, explanation=wanted.window_explanation),
        invert=facts.inversion_of(header),
        padding=facts.padding_of(header, signed=layout.signed),
        spacing_mm=facts.spacing_of(header),
        laterality=facts.laterality_of(header),
        view=facts.view_of(header),
        person=facts.person_of(header),
    )


def _parsed(path: Path, *, pixels: bool = True) -> Header:
    return Header(path=path, dataset=parse(path, pixels=pixels))
