"""Files looked into: what was decided about each, where that lies in the file, and pictures that show it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mammoscope.images.breast import Side, bounding_box
from mammoscope.images.captions import oddities, stored_words, window_words
from mammoscope.images.folder import Found, labelled
from mammoscope.images.geometry import Box, Geometry
from mammoscope.images.guarded import Answer, answers
from mammoscope.images.panels import Thumb, display_settings, draw_panels, draw_thumb, encode_png
from mammoscope.images.preprocess import Preprocess
from mammoscope.images.reading import read_with_sight
from mammoscope.images.sight import Sight
from mammoscope.images.volumes import settings_for
from mammoscope.storage import whole_file
from mammoscope.trail import Step
from mammoscope.vocabulary import Laterality, Trait, View
from mammoscope.workers.limits import Limits

LONGEST_NAME = 120  # bytes of a picture's name


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspection:
    """What was decided about one file.

    Attributes:
        laterality: As the header says.
        view: As the header says.
        traits: What sets it apart from a plain mammogram.
        geometry: From the picture in the file to the final one.
        inverted: The file shows the breast dark on white.
        chest: Side of the chest wall in the file; None if it cannot be told.
        breast: Box around the breast in pixels of the file; None if nothing stands out.
        breast_share: Share of the picture that is breast; None if nothing stands out.
        trail: Every decision, in order.
        picture: PNG with original, what was found and final picture; None unless asked for.
        thumb: The final picture, small; None unless asked for.
    """

    laterality: Laterality | None
    view: View | None
    traits: tuple[Trait, ...]
    geometry: Geometry
    inverted: bool
    chest: Side | None
    breast: Box | None
    breast_share: float | None
    trail: tuple[Step, ...]
    picture: bytes | None = None
    thumb: Thumb | None = None

    def as_json(self) -> dict[str, Any]:
        """Everything but the pictures; the keys are described in docs/how-to/inspect.md."""
        geometry = self.geometry
        rows, cols = geometry.original_shape
        spacing = geometry.original_spacing_mm
        decode = next((step.cause for step in self.trail if step.name == "decode"), "")
        return {
            "laterality": self.laterality,
            "view": self.view,
            "traits": list(self.traits),
            "stored_as": stored_words(self.trail),
            "transfer_syntax_uid": decode.rpartition(" = ")[2] if "(0002,0010)" in decode else None,
            "window": window_words(self.trail),
            "inverted": self.inverted,
            "original": {
                "rows": rows,
                "cols": cols,
                "spacing_mm": spacing,
                "size_mm": None if spacing is None else (rows * spacing[0], cols * spacing[1]),
            },
            "breast": {"box_px": self.breast, "share": self.breast_share, "chest_wall": self.chest},
            "geometry": {
                "crop_px": geometry.kept,
                "flipped": geometry.flipped,
                "x_scale": geometry.x_scale,
                "x_offset": geometry.x_offset,
                "y_scale": geometry.y_scale,
                "y_offset": geometry.y_offset,
            },
            "input": {
                "rows": geometry.shape[0],
                "cols": geometry.shape[1],
                "spacing_mm": geometry.spacing_mm,
                "picture_px": geometry.box_to_final(geometry.kept),
            },
            "oddities": len(oddities(self.trail)),
            "trail": [asdict(step) for step in self.trail],
        }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Inspected:
    """What became of one file: an inspection, or a code and a message.

    Attributes:
        file: Its name; in a folder, its path from there.
        slice_number: Of a volume whose slices are looked into, from 1.
        inspection: Without the PNG, which is in its file by now.
        code: One of `CODES`, or `internal`.
        message: Names the file.
        picture: Name of the PNG in the folder of pictures.
    """

    file: str
    slice_number: int | None = None
    inspection: Inspection | None = None
    code: str | None = None
    message: str | None = None
    picture: str | None = None

    @property
    def label(self) -> str:
        """Name of the file, and which slice."""
        return labelled(self.file, self.slice_number)

    def as_json(self) -> dict[str, Any]:
        """Of a file that could not be read, only `file`, `slice`, `code`, `message` and `picture`."""
        about = {"file": self.file, "slice": self.slice_number, "code": self.code, "message": self.message}
        about |= {"picture": self.picture}
        return about if self.inspection is None else about | self.inspection.as_json()


def inspect_file(found: Found, *, preprocess: Preprocess, picture: bool = False, thumb: bool = False) -> Inspection:
    """Look into one file.

    Args:
        found: The file, which slice of it, and the name that its picture tells.
        preprocess: What the final pixels should be.
        picture: Also draw original, what was found and final picture side by side.
        thumb: Also draw the final picture, small.

    Raises:
        ImageError: It is not a readable mammogram.
    """
    preprocess = settings_for(found, preprocess)
    mammogram, sight = read_with_sight(found.path, preprocess=preprocess)
    drawn = None
    if picture:
        shown, _ = read_with_sight(found.path, preprocess=display_settings(preprocess))
        drawn = encode_png(draw_panels(mammogram, sight=sight, shown=shown, preprocess=preprocess, name=found.label))
    return Inspection(
        laterality=mammogram.laterality,
        view=mammogram.view,
        traits=mammogram.traits,
        geometry=mammogram.geometry,
        inverted=sight.invert,
        chest=sight.chest,
        breast=_breast_box(sight),
        breast_share=None if sight.mask is None else float(sight.mask.mean()),
        trail=mammogram.trail,
        picture=drawn,
        thumb=draw_thumb(mammogram, sight=sight) if thumb else None,
    )


def inspect_files(
    files: Sequence[Found],
    *,
    preprocess: Preprocess,
    pictures: Path | None = None,
    thumbs: bool = False,
    limits: Limits | None = None,
    workers: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Inspected]:
    """Look into many files, in guarded processes; none is left out.

    Args:
        files: The files.
        preprocess: What the final pixels should be.
        pictures: Folder to write a PNG of each file into.
        thumbs: Also draw each final picture, small.
        limits: What one file may cost; the defaults if None.
        workers: Guarded processes; one per processor when not given. With 0 the work is done in this process.
        progress: Called with (files done, files in all).

    Yields:
        What became of each file, in the order given.

    Raises:
        StorageError: A picture cannot be written.
    """
    work = partial(inspect_file, preprocess=preprocess, picture=pictures is not None, thumb=thumbs)
    names = picture_names(files)
    waiting: dict[int, Inspected] = {}
    turn = 0
    for done, answer in enumerate(answers(work, files, limits=limits, workers=workers), start=1):
        waiting[answer.at] = _kept(files[answer.at], answer, names[answer.at], pictures)
        if progress is not None:
            progress(done, len(files))
        while turn in waiting:
            yield waiting.pop(turn)
            turn += 1


def picture_names(files: Sequence[Found]) -> list[str]:
    """A name for the picture of each file: its own, with a number where two would be the same.

    Example:
        >>> twins = [Found(path=Path(name), name=name) for name in ("a/1.dcm", "a_1.dcm", "b.dcm")]
        >>> picture_names(twins)
        ['a_1.dcm.png', 'a_1.dcm-2.png', 'b.dcm.png']
    """
    taken: set[str] = set()
    names = []
    for found in files:
        plain = "".join(letter if letter.isprintable() else "_" for letter in found.label.replace("/", "_"))
        stem = plain.encode()[-LONGEST_NAME:].decode(errors="ignore").lstrip(".") or "picture"
        name, number = f"{stem}.png", 1
        while name.casefold() in taken:
            number += 1
            name = f"{stem}-{number}.png"
        taken.add(name.casefold())
        names.append(name)
    return names


def _kept(found: Found, answer: Answer[Inspection], name: str, folder: Path | None) -> Inspected:
    """Write the picture, so that only small things wait for their turn."""
    inspection, which = answer.result, found.slice_number
    if inspection is None:
        return Inspected(file=found.name, slice_number=which, code=answer.code, message=answer.message)
    if folder is None or inspection.picture is None:
        return Inspected(file=found.name, slice_number=which, inspection=inspection)
    with whole_file(folder / name) as temporary:
        temporary.write_bytes(inspection.picture)
    shown = replace(inspection, picture=None)
    return Inspected(file=found.name, slice_number=which, inspection=shown, picture=name)


def _breast_box(sight: Sight) -> Box | None:
    """In pixels of the file."""
    if sight.mask is None:
        return None
    rows, cols = sight.geometry.original_shape
    x0, y0, x1, y1 = map(float, bounding_box(sight.mask))
    x0, y0, x1, y1 = sight.geometry.box_to_original((x0, y0, x1, y1))
    return max(0.0, x0), max(0.0, y0), min(float(cols), x1), min(float(rows), y1)
