"""Headers without pixels, element by element."""

from pathlib import Path

from pydicom import Dataset, Sequence
from pydicom.config import disable_value_validation

from mammoscope.dicom.header import Header


def item(**elements: object) -> Dataset:
    dataset = Dataset()
    with disable_value_validation():  # archives hold lower case where the standard wants capitals
        for keyword, value in elements.items():
            setattr(dataset, keyword, value)
    return dataset


def code(value: str, **more: object) -> Dataset:
    return item(CodeValue=value, CodingSchemeDesignator="SCT", CodeMeaning="", **more)


def header(*, frame: int = 0, **elements: object) -> Header:
    return Header(path=Path("one.dcm"), dataset=item(**({"Modality": "MG"} | elements)), frame=frame)


def said(of: Header, name: str) -> list[str]:
    return [f"{step.detail} | {step.cause}" for step in of.trail if step.name == name]


def view_code(value: str, *modifiers: str) -> Sequence:
    return Sequence([code(value, ViewModifierCodeSequence=[code(one) for one in modifiers])])
