"""Which pictures are read at all: FOR PRESENTATION mammograms, and of the others those that a recipe accepts."""

import re

from mammoscope.dicom.header import Header, tagged, told
from mammoscope.dicom.traits import SPECIMEN_CODES, evidence_of
from mammoscope.dicom.views import SIDE_CODES
from mammoscope.trail import refusal
from mammoscope.vocabulary import Trait

ACCEPTED: tuple[Trait, ...] = (Trait.IMPLANT, Trait.IMPLANT_DISPLACED, Trait.PARTIAL_VIEW, Trait.NOT_MG)
"""Read unless a recipe says otherwise: exposures of a breast which screening takes every day, and films and plates
that do not call themselves mammograms."""

MODALITIES = ("MG", "CR", "DX", "RG", "OT", "SC")
FOR_PROCESSING = {
    "1.2.840.10008.5.1.4.1.1.1.1.1",  # Digital X-Ray Image Storage - For Processing
    "1.2.840.10008.5.1.4.1.1.1.2.1",  # Digital Mammography X-Ray Image Storage - For Processing
    "1.2.840.10008.5.1.4.1.1.13.1.5",  # Breast Projection X-Ray Image Storage - For Processing
}
BREAST = frozenset(  # as Body Part Examined has it, in the languages of makers and archives; tissue of it, too
    ("BREAST", "BREASTS", "MAMMA", "MAMMAE", "MAMMO", "MAMMOGRAPHY", "MAMMOGRAM", "MAMA", "BRUST", "SEIN", "SENO")
) | {"SPECIMEN"}
REGIONS = frozenset((*SIDE_CODES, *SPECIMEN_CODES, "76752008", "T-04000"))  # PS3.16 CID 4031, 244: the breast


def refuse_by_policy(header: Header, *, accept: tuple[Trait, ...] = ACCEPTED) -> tuple[Trait, ...]:
    """Refuse what is no mammogram for presentation, and what the recipe does not accept.

    Args:
        header: Of the file; what was recognised is added to its trail.
        accept: Traits that are read; others are refused. FOR PROCESSING always is. Slices of a file with several
            frames pass: nobody reads one without naming it.

    Returns:
        The traits of the picture.

    Raises:
        ImageError: `refused`, with the element that says so and the setting that would let it in.
    """
    intent, modality, kind = (header.word(keyword) for keyword in ("PresentationIntentType", "Modality", "SOPClassUID"))
    if intent == "FOR PROCESSING" or kind in FOR_PROCESSING:
        cause = tagged("PresentationIntentType") if intent == "FOR PROCESSING" else f"{tagged('SOPClassUID')} = {kind}"
        what = f"is FOR PROCESSING by {cause}: raw detector values that no reader sees. Use the FOR PRESENTATION image"
        raise refusal(header.path, "refused", what)
    if modality is not None and modality not in MODALITIES:
        what = (
            f"{tagged('Modality')} is {told(modality)}, not one of {', '.join(MODALITIES)}. Leave it out of the index"
        )
        raise refusal(header.path, "refused", what)
    if modality != "MG":
        _refuse_another_part(header)
    found = evidence_of(header)
    several = (header.whole("NumberOfFrames") or 1) > 1
    asked_for = {Trait.TOMOSYNTHESIS} if several else set()  # slices are read only by naming them
    refused = [trait for trait in found if trait not in accept and trait not in asked_for]
    if refused:
        raise refusal(header.path, "refused", _why(found, refused, accept))
    for keyword in ("BurnedInAnnotation", "LossyImageCompression"):
        word = header.word(keyword)
        if word in {"YES", "01"}:
            header.note("header says", tagged(keyword), word)
    return tuple(found)


def _refuse_another_part(header: Header) -> None:
    """What is not MG by its own word is refused where it names a part of the body that is no breast.

    Source:
        DICOM PS3.3 C.8.11.2 (DX Anatomy Imaged); PS3.16 Annex L (Body Part Examined).
    """
    parts, regions = header.words("BodyPartExamined"), header.codes("AnatomicRegionSequence")
    named = set(re.findall(r"[^\W_]+", " ".join(parts)))
    if named & BREAST or REGIONS & set(regions):
        return
    if named or regions:
        where = "BodyPartExamined" if named else "AnatomicRegionSequence"
        part = told(parts[0] if named else regions[0])
        what = f"{tagged('Modality')} is {told(header.word('Modality'))} and {tagged(where)} {part}, not the breast"
        raise refusal(header.path, "refused", f"{what}. Leave it out of the index")


def _why(found: dict[Trait, str], refused: list[Trait], accept: tuple[Trait, ...]) -> str:
    """What was recognised, against what is accepted, and how to let it in."""
    reasons = "; ".join(f"{trait} ({found[trait]})" for trait in refused)
    allowed = ", ".join(accept) or "plain mammograms only"
    wanted = ", ".join(f'"{trait}"' for trait in (*accept, *refused))
    return f"is {reasons}, and the recipe accepts {allowed}. Leave it out, or set preprocess.accept = [{wanted}]"
