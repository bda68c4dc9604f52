"""What sets a picture apart from a plain 2D mammogram: recognised from its header, with the element that says so."""

from collections.abc import Iterator

from mammoscope.dicom.header import Header, tagged, told
from mammoscope.dicom.spacing import LARGEST_FACTOR, shrinkage_of
from mammoscope.dicom.views import modifier_items, modifiers_of
from mammoscope.dicom.wording import wording_of
from mammoscope.vocabulary import Trait

SLICES = "1.2.840.10008.5.1.4.1.1.13.1.3"  # Breast Tomosynthesis Image Storage
PROJECTIONS = {  # Breast Projection X-Ray Image Storage - For Presentation, - For Processing
    "1.2.840.10008.5.1.4.1.1.13.1.4",
    "1.2.840.10008.5.1.4.1.1.13.1.5",
}
MAGNIFIED_FROM = 1.25
"""Estimated Radiographic Magnification Factor (0018,1114) from which a picture is a magnification view.

Contact views lie between 1.0 and 1.1: the breast rests on the detector. Magnification stands offer at
least one factor between 1.4 and 2.0 (21 CFR 900.12(b)(6)). The limit is half-way.
"""
MODIFIERS: dict[str, tuple[Trait, ...]] = {  # PS3.16 CID 4015: SNOMED CT, and the older SNOMED RT
    **dict.fromkeys(("399163009", "R-102D6"), (Trait.MAGNIFICATION,)),
    **dict.fromkeys(("399055006", "R-102D7"), (Trait.SPOT,)),
    **dict.fromkeys(("399209000", "R-102D5"), (Trait.IMPLANT_DISPLACED,)),
}
ROLLED_AND_OTHER = {  # modifiers of a view that is still a plain one
    **dict.fromkeys(("399197002", "R-102D3"), "rolled lateral"),
    **dict.fromkeys(("399226006", "R-102D4"), "rolled medial"),
    **dict.fromkeys(("415670009", "R-102C9"), "rolled superior"),
    **dict.fromkeys(("414493004", "R-102CA"), "rolled inferior"),
    **dict.fromkeys(("399110001", "R-102C2"), "tangential"),
    **dict.fromkeys(("399011000", "R-102D1"), "axillary tail"),
    **dict.fromkeys(("399161006", "R-102D2"), "cleavage"),
    **dict.fromkeys(("442580003", "R-40AB2"), "axillary tissue"),
    **dict.fromkeys(("442593008", "R-40ABE"), "infra-mammary fold"),
    **dict.fromkeys(("442581004", "R-40AB3"), "nipple in profile"),
    **dict.fromkeys(("441752004", "P2-00161"), "anterior compression"),
}
SPECIMEN_CODES = ("127457009", "G-8310")  # tissue specimen from breast, a view of CID 4014
STEREO = ("PREFIRE", "POSTFIRE", "POSTBIOPSY", "POSTMARKER")
IMAGE_TYPES: dict[
    str, Trait
] = {  # values 3 to 5 of Image Type; PS3.3 C.8.11.7.1.4, C.8.21.6.1.1, and older Hologic words
    "GENERATED_2D": Trait.SYNTHETIC_2D,
    "TOMO_2D": Trait.SYNTHETIC_2D,
    "TOMOSYNTHESIS": Trait.TOMOSYNTHESIS,
    "TOMO": Trait.TOMOSYNTHESIS,
    "TOMO_PROJ": Trait.PROJECTION,
    "TOMO_SCOUT": Trait.BIOPSY,
    "STEREO_SCOUT": Trait.BIOPSY,
    "STEREO_MINUS": Trait.BIOPSY,
    "STEREO_PLUS": Trait.BIOPSY,
    **{f"{word}{end}": Trait.BIOPSY for word in STEREO for end in ("", "_MINUS", "_PLUS")},
    "PRE_CONTRAST": Trait.CONTRAST,
    "POST_CONTRAST": Trait.CONTRAST,
    "SUBTRACTION": Trait.SUBTRACTED,
    "RECOMBINED": Trait.SUBTRACTED,
    "LOW_ENERGY": Trait.LOW_ENERGY,
    "HIGH_ENERGY": Trait.HIGH_ENERGY,
}
FLAGS = {  # elements of YES or NO
    "BreastImplantPresent": Trait.IMPLANT,
    "PartialView": Trait.PARTIAL_VIEW,
    "QualityControlImage": Trait.QUALITY_CONTROL,
}
SEQUENCES = {  # that an image has only if ...
    "SpecimenDescriptionSequence": Trait.SPECIMEN,
    "BiopsyTargetSequence": Trait.BIOPSY,
    "ContrastBolusAgentSequence": Trait.CONTRAST,
}
NO_AGENT = (None, "NONE", "NO", "N/A")
IN_WORDS = ("ViewPosition", "SeriesDescription", "PaddleDescription", "BodyPartExamined", "ProtocolName")
OF_A_STUDY = (Trait.MAGNIFICATION, Trait.SPECIMEN)  # what its description says of all its pictures
COMPUTED = {Trait.SYNTHETIC_2D, Trait.TOMOSYNTHESIS, Trait.PROJECTION, Trait.SUBTRACTED}


def traits_of(header: Header) -> tuple[Trait, ...]:
    """Recognise what a picture is, and note each element that says so.

    Returns:
        In the order of `Trait`, without repetition; empty for a plain mammogram.

    Source:
        DICOM PS3.3 C.8.11.7 (Mammography Image), C.8.21.6 (Breast View), C.7.6.22 (Specimen), C.7.6.1 (General
        Image); PS3.16 CID 4014 and CID 4015; docs/reference/traits.md lists every element.
    """
    return tuple(evidence_of(header))


def evidence_of(header: Header) -> dict[Trait, str]:
    """Each trait and the element that shows it, in the order of `Trait`; noted in the trail."""
    found: dict[Trait, str] = {}
    for trait, cause in _evidence(header):
        found.setdefault(trait, cause)
    if not COMPUTED & found.keys():  # a computed picture has pixels of a size of its own, and projections are binned
        for trait, cause in _by_size(header):
            found.setdefault(trait, cause)
    if Trait.SYNTHETIC_2D in found and (header.whole("NumberOfFrames") or 1) == 1:
        found.pop(Trait.TOMOSYNTHESIS, None)  # its Image Type names the slices it was computed from
    if {Trait.LOW_ENERGY, Trait.HIGH_ENERGY, Trait.SUBTRACTED} & found.keys():
        found.pop(Trait.CONTRAST, None)
    for code in modifiers_of(header):
        if code in ROLLED_AND_OTHER:
            header.note("view modifier", ROLLED_AND_OTHER[code], f"{tagged('ViewModifierCodeSequence')} = {code}")
    ordered = {trait: found[trait] for trait in Trait if trait in found}
    for trait, cause in ordered.items():
        header.note("trait", trait, cause)
    return ordered


def _evidence(header: Header) -> Iterator[tuple[Trait, str]]:
    yield from _by_image_type(header)
    yield from _by_class_and_frames(header)
    yield from _by_code(header)
    yield from _by_meaning(header)
    yield from _by_factors(header)
    modality = header.word("Modality")
    if modality != "MG":
        yield Trait.NOT_MG, f"{tagged('Modality')} is {told(modality)}"
    for keyword, trait in FLAGS.items():
        if header.word(keyword) == "YES":
            yield trait, f"{tagged(keyword)} = YES"
    for keyword, trait in SEQUENCES.items():
        if header.items(keyword):
            yield trait, tagged(keyword)
    agent = header.word("ContrastBolusAgent")
    if agent not in NO_AGENT:
        yield Trait.CONTRAST, f"{tagged('ContrastBolusAgent')} is filled in"
    for keyword in IN_WORDS:
        for trait, words in wording_of(" ".join(header.words(keyword))).traits:
            yield trait, f"{tagged(keyword)} says {words}"


def _by_image_type(header: Header) -> Iterator[tuple[Trait, str]]:
    for at, word in enumerate(header.words("ImageType"), start=1):
        if at > 2 and word in IMAGE_TYPES:
            yield IMAGE_TYPES[word], f"{tagged('ImageType')}, value {at} = {word}"


def _by_class_and_frames(header: Header) -> Iterator[tuple[Trait, str]]:
    """Several frames are slices; one in a tomosynthesis object is computed from slices, unless it says it is one."""
    kind, frames = header.word("SOPClassUID"), header.whole("NumberOfFrames") or 1
    if kind in PROJECTIONS:
        yield Trait.PROJECTION, f"{tagged('SOPClassUID')} = {kind}"
    elif kind == SLICES and frames == 1 and header.word("VolumeBasedCalculationTechnique") != "NONE":
        yield Trait.SYNTHETIC_2D, f"{tagged('SOPClassUID')} = {kind} with one frame"
    elif kind == SLICES:
        yield Trait.TOMOSYNTHESIS, f"{tagged('SOPClassUID')} = {kind}"
    elif frames > 1:
        yield Trait.TOMOSYNTHESIS, f"{tagged('NumberOfFrames')} = {frames}"


def _by_code(header: Header) -> Iterator[tuple[Trait, str]]:
    for code in modifiers_of(header):
        for trait in MODIFIERS.get(code, ()):
            cause = f"{tagged('ViewModifierCodeSequence')} = {code}"
            yield trait, cause
            if trait is Trait.IMPLANT_DISPLACED:
                yield Trait.IMPLANT, cause
    regions = header.group("FrameAnatomySequence")
    for where, keyword in ((header, "ViewCodeSequence"), (regions, "AnatomicRegionSequence")):
        for code in where.codes(keyword):
            if code in SPECIMEN_CODES:
                yield Trait.SPECIMEN, f"{tagged(keyword)} = {code}"


def _by_meaning(header: Header) -> Iterator[tuple[Trait, str]]:
    """In the words beside a code: those of a local code are all that is known of it, and the view is read from them."""
    views = [header.of(item) for item in header.items("ViewCodeSequence")]
    for keyword, items in (("ViewCodeSequence", views), ("ViewModifierCodeSequence", modifier_items(header))):
        for one in items:
            for trait, words in wording_of(" ".join(one.words("CodeMeaning"))).traits:
                yield trait, f"{tagged(keyword)} says {words}"


def _by_factors(header: Header) -> Iterator[tuple[Trait, str]]:
    """By how much the breast is magnified, and what the study says of that unless this picture says otherwise."""
    factors = list(_factors(header))
    for factor, cause in factors:
        if factor >= MAGNIFIED_FROM:
            yield Trait.MAGNIFICATION, f"{cause} = {factor:g}, at least {MAGNIFIED_FROM:g}"
    for trait, words in wording_of(" ".join(header.words("StudyDescription"))).traits:
        if trait in OF_A_STUDY and not (trait is Trait.MAGNIFICATION and factors):
            yield trait, f"{tagged('StudyDescription')} says {words}"


def _factors(header: Header) -> Iterator[tuple[float, str]]:
    """The magnification, as it is stated and as the distances make it; PS3.3 C.8.11.5."""
    stated = header.numbers("EstimatedRadiographicMagnificationFactor")[:1]
    if stated and stated[0] >= 1:
        yield stated[0], tagged("EstimatedRadiographicMagnificationFactor")
    detector, patient = header.numbers("DistanceSourceToDetector")[:1], header.numbers("DistanceSourceToPatient")[:1]
    if detector and patient and patient[0] > 0 and 1 <= detector[0] / patient[0] <= LARGEST_FACTOR:
        yield detector[0] / patient[0], f"{tagged('DistanceSourceToDetector')} / {tagged('DistanceSourceToPatient')}"


def _by_size(header: Header) -> Iterator[tuple[Trait, str]]:
    """By pixels that are much smaller in the breast than on the detector."""
    factor = shrinkage_of(header)
    if factor is not None and MAGNIFIED_FROM <= factor <= LARGEST_FACTOR:
        cause = f"{tagged('ImagerPixelSpacing')} / {tagged('PixelSpacing')}"
        yield Trait.MAGNIFICATION, f"{cause} = {factor:.3g}, at least {MAGNIFIED_FROM:g}"
