"""Which breast and which projection a header names: by code, else by code string, else in words."""

from collections.abc import Iterator

from mammoscope.dicom.header import Header, tagged, told
from mammoscope.dicom.wording import wording_of
from mammoscope.vocabulary import VIEW_CODES, Laterality, View

SIDE_CODES = {  # PS3.16 CID 244 (modifiers) and the regions left and right breast; SNOMED CT and the older SNOMED RT
    **dict.fromkeys(("7771000", "G-A101", "80248007", "T-04030"), Laterality.LEFT),
    **dict.fromkeys(("24028007", "G-A100", "73056007", "T-04020"), Laterality.RIGHT),
}
BODY_PARTS = {"LEFT BREAST": Laterality.LEFT, "RIGHT BREAST": Laterality.RIGHT}  # seen in CBIS-DDSM
OBLIQUE = (View.MLO, View.LMO)
TOWARDS = {  # where the rows of an oblique picture end: its plane runs from the shoulder down to the other side
    **dict.fromkeys(("FR", "RF", "HL", "LH"), Laterality.LEFT),
    **dict.fromkeys(("FL", "LF", "HR", "RH"), Laterality.RIGHT),
}
MODIFIER_VIEWS = {  # PS3.16 CID 4015 modifiers that are views of their own in ACR's short forms
    **dict.fromkeys(("399011000", "R-102D1"), View.AT),
    **dict.fromkeys(("399161006", "R-102D2"), View.CV),
}


def view_of(header: Header) -> View | None:
    """View Code Sequence, else View Position, else words; the view that CBIS-DDSM keeps in Patient Orientation.

    Words are read from the View Code Sequence's Code Meaning, View Position and Series Description; one that
    names several views, or none, says nothing.

    Source:
        DICOM PS3.3 C.8.11.7 and C.8.21.6; PS3.16 CID 4014 and CID 4015.
    """
    for view, cause in _candidates(header):
        return _told(header, view, cause)
    word = header.word("ViewPosition")
    if word is not None:
        header.note("oddity", "view stays unknown", f"{tagged('ViewPosition')} = {told(word)}")
    return None


def laterality_of(header: Header) -> Laterality | None:
    """Image Laterality, Laterality or Frame Laterality, else the anatomic region, else the orientation, else words.

    Both (B) or unpaired (U) is unknown, whatever the words say. The orientation decides only for oblique views: their
    plane runs from the shoulder down to the other side, which differs between left and right. That of a
    cranio-caudal view is the same for both.

    Source:
        DICOM PS3.3 C.7.3.1 (Laterality), C.7.6.16.2.8 (Frame Anatomy), C.8.11.7, C.7.6.1.1.1 (Patient Orientation).
    """
    group = header.group("FrameAnatomySequence")
    places = ((header, "ImageLaterality"), (header, "Laterality"), (group, "FrameLaterality"))
    stated = False
    for where, keyword in places:
        word = where.word(keyword)
        if word in set(Laterality):
            return _sided(header, Laterality(word), f"{tagged(keyword)} = {word}")
        if word is not None:
            stated = True
            header.note("oddity", "laterality stays unknown", f"{tagged(keyword)} = {told(word)}")
    if stated:
        return None
    for side, cause in _hints(header, group):
        return _sided(header, side, cause)
    return None


def modifiers_of(header: Header) -> list[str]:
    """Code Values of the modifiers of the view."""
    return [code for item in modifier_items(header) if (code := item.word("CodeValue")) is not None]


def modifier_items(header: Header) -> list[Header]:
    """Items of the View Modifier Code Sequence: of the view, as the standard has it, or beside it."""
    views = [header.of(item) for item in header.items("ViewCodeSequence")]
    return [where.of(item) for where in (*views, header) for item in where.items("ViewModifierCodeSequence")]


def _candidates(header: Header) -> Iterator[tuple[View, str]]:
    """Views that the elements name, the surest first."""
    for code in modifiers_of(header):
        if code in MODIFIER_VIEWS:
            yield MODIFIER_VIEWS[code], f"{tagged('ViewModifierCodeSequence')} = {code}"
    for code in header.codes("ViewCodeSequence"):
        if code in VIEW_CODES:
            yield VIEW_CODES[code], f"{tagged('ViewCodeSequence')} = {code}"
    for keyword in ("ViewPosition", "PatientOrientation"):
        word = header.word(keyword)
        if word in set(View):
            yield View(word), f"{tagged(keyword)} = {word}"
    for keyword, text in _texts(header):
        views = wording_of(text).views
        if len(views) == 1:
            yield views[0], f"{tagged(keyword)}, in words"


def _hints(header: Header, group: Header) -> Iterator[tuple[Laterality, str]]:
    """Sides that other elements give, the surest first."""
    for where in (group, header):
        for item in where.items("AnatomicRegionSequence"):
            region = where.of(item)
            for code in (*region.codes("AnatomicRegionModifierSequence"), region.word("CodeValue")):
                if code in SIDE_CODES:
                    yield SIDE_CODES[code], f"{tagged('AnatomicRegionSequence')} = {code}"
    part = header.word("BodyPartExamined")
    if part in BODY_PARTS:
        yield BODY_PARTS[part], f"{tagged('BodyPartExamined')} = {part}"
    orientation = header.words("PatientOrientation")
    if len(orientation) == 2 and orientation[1] in TOWARDS and view_of(header.unheard()) in OBLIQUE:
        yield TOWARDS[orientation[1]], f"{tagged('PatientOrientation')}, columns towards {orientation[1]}"
    for keyword, text in _texts(header):
        sides = wording_of(text).sides
        if len(sides) == 1:
            yield sides[0], f"{tagged(keyword)}, in words"


def _texts(header: Header) -> Iterator[tuple[str, str]]:
    """Elements that hold words about the view, the nearest first."""
    for item in header.items("ViewCodeSequence"):
        for text in header.of(item).words("CodeMeaning"):
            yield "ViewCodeSequence", text
    for keyword in ("ViewPosition", "SeriesDescription"):
        yield keyword, " ".join(header.words(keyword))


def _told(header: Header, view: View, cause: str) -> View:
    header.note("view", view, cause)
    said = wording_of(" ".join(header.words("SeriesDescription"))).views
    if said and view not in said:
        header.note("oddity", f"view {view}: the words say {' and '.join(said)}", tagged("SeriesDescription"))
    return view


def _sided(header: Header, side: Laterality, cause: str) -> Laterality:
    header.note("laterality", side, cause)
    said = wording_of(" ".join(header.words("SeriesDescription"))).sides
    if said and side not in said:
        header.note("oddity", f"laterality {side}: the words say {' and '.join(said)}", tagged("SeriesDescription"))
    return side
