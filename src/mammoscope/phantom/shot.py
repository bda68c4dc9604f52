"""One exposure of a breast on a digital machine: the picture, and its MG file."""

from pathlib import Path

from mammoscope.phantom.dicom import uid
from mammoscope.phantom.machine import Machine, widened
from mammoscope.phantom.mg import Mammography, write_mammogram
from mammoscope.phantom.picture import Picture, take
from mammoscope.phantom.screening import Screened, Side
from mammoscope.phantom.settings import Settings
from mammoscope.vocabulary import View


def shoot(
    woman: Screened,
    side: Side,
    view: View,
    *,
    machine: Machine,
    settings: Settings,
    key: tuple[object, ...],
    number: int,
    patient_id: str,
    file: Path,
) -> tuple[Picture, Mammography]:
    """Draw a view, widen it to the machine's detector, and write its MG file.

    Args:
        woman: Who is examined.
        side: Which of her breasts.
        view: Projection.
        machine: Its look, detector and header.
        settings: Of the data set.
        key: What the UIDs of her examination follow from.
        number: Of the picture in it, from 1.
        patient_id: As the layout names her.
        file: Where the MG file goes.

    Returns:
        The picture as it is in the file, and what the header says of it.
    """
    breast = side.breast
    picture = take(breast, view=view, rows=settings.rows, look=machine.look)
    picture = widened(picture, aspect=machine.aspect, laterality=breast.laterality)
    about = Mammography(
        patient_id=patient_id,
        study_uid=uid(*key),
        series_uid=uid(*key, "series"),
        instance_uid=uid(*key, number),
        number=number,
        laterality=breast.laterality,
        view=view,
        age_years=woman.age_years,
        thickness_cm=breast.shape.thickness_cm,
        spacing_mm=picture.spacing_mm,
    )
    write_mammogram(picture.pixels, file, machine=machine, about=about)
    return picture, about
