"""One data set without what identifies: a new one, item by item."""

from dataclasses import dataclass, field
from typing import Any

from pydicom import DataElement, Dataset, Sequence
from pydicom.multival import MultiValue
from pydicom.tag import BaseTag

from mammoscope.deid.key import Key
from mammoscope.deid.profile import row_of
from mammoscope.deid.reading import PIXELS
from mammoscope.deid.rules import DATE_VRS, PATIENT_ID, PATIENT_NAME, TEXT_VRS, TIMEZONE_OFFSET, Deed, deed_of
from mammoscope.deid.settings import CODES, METHOD, Dates, Settings
from mammoscope.deid.tally import Tally
from mammoscope.deid.traces import Traces
from mammoscope.deid.values import DUMMIES, capped_age, is_offset, is_well_known, shifted
from mammoscope.dicom.parsing import UNPARSABLE

OPAQUE_VRS = frozenset({"OB", "UN"})  # may hold texts, as a colour profile does; tables have others
MODIFIED = {Dates.SHIFT: "MODIFIED", Dates.KEEP: "UNMODIFIED", Dates.REMOVE: "REMOVED"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cleaner:
    """Cleans the data sets of one patient.

    Attributes:
        settings: What is kept.
        key: Makes pseudonyms, UIDs and the shift of dates.
        patient: What the pseudonym is made of: Patient ID (0010,0020), or the study where there is none.
        traces: What must not be kept in any other element.
        tally: Counts while cleaning.
    """

    settings: Settings
    key: Key
    patient: str
    traces: Traces
    tally: Tally = field(default_factory=Tally)

    def clean(self, dataset: Dataset) -> Dataset:
        """The data set of a file, marked as de-identified.

        Source:
            DICOM PS3.15 E.1.1 and PS3.3 C.12.1 for the marks.
        """
        cleaned = self._level(dataset, top=True)
        for tag, vr in ((PATIENT_NAME, "PN"), (PATIENT_ID, "LO")):
            cleaned.add_new(tag, vr, self.key.pseudonym(self.patient))
        cleaned.PatientIdentityRemoved = "YES"
        cleaned.DeidentificationMethod = METHOD
        cleaned.DeidentificationMethodCodeSequence = Sequence([_code(code) for code in self.settings.codes])
        cleaned.LongitudinalTemporalInformationModified = MODIFIED[self.settings.dates]
        return cleaned

    def _level(self, dataset: Dataset, *, top: bool = False, dummies: bool = False) -> Dataset:
        cleaned = Dataset()
        implicit, little = dataset.original_encoding
        cleaned.set_original_encoding(implicit, little, dataset.original_character_set)
        for tag in sorted(dataset.keys()):
            element = _element(dataset, tag)
            deed = Deed.REMOVE if element is None else self._deed(element, dummies=dummies)
            new = None if element is None else self._new(element, deed, top=top)
            if isinstance(new, DataElement):
                cleaned[tag] = new
            elif new is _SAME:
                cleaned[tag] = dataset.get_item(tag)
            self._count(tag, deed, new)
        return cleaned

    def _deed(self, element: DataElement, *, dummies: bool) -> Deed:
        deed = deed_of(element.tag, element.VR, settings=self.settings)
        if deed is not Deed.KEEP or element.VR == "SQ":
            return deed
        if element.tag == TIMEZONE_OFFSET and not is_offset(element.value):
            return Deed.REMOVE
        if dummies and element.VR not in {"CS", "UI"}:
            return Deed.DUMMY
        if element.VR in DATE_VRS and not element.is_empty and shifted(element.value, vr=element.VR, days=0) is None:
            return Deed.DUMMY
        return deed if element.is_empty else self._if_repeated(element) or deed

    def _if_repeated(self, element: DataElement) -> Deed | None:
        """What happens to what would be kept if it repeats what has to go; None if it does not."""
        if element.VR in OPAQUE_VRS and element.keyword not in PIXELS:
            return Deed.REMOVE if self.traces.repeated_in(element) else None
        if element.VR in TEXT_VRS | {"CS"} and self.traces.repeated_in(element):
            return Deed.REPEATS
        return None

    def _count(self, tag: int, deed: Deed, new: "DataElement | object | None") -> None:
        done = Deed.REMOVE if new is None else deed
        if done is not Deed.KEEP or row_of(tag) is not None:
            self.tally.add(tag, done)

    def _new(self, element: DataElement, deed: Deed, *, top: bool) -> "DataElement | object | None":
        """The new element; `_SAME` if the old one stays byte by byte; None if it goes."""
        tag, vr = element.tag, element.VR
        if deed is Deed.REMOVE:
            return None
        if vr == "SQ":
            return self._sequence(element, deed)
        if deed is Deed.KEEP:
            return _SAME
        if deed is Deed.EMPTY:
            return DataElement(tag, vr, None)
        if element.is_empty and not (top and deed is Deed.PSEUDONYM):
            return DataElement(tag, vr, None)
        value = self._value(element, deed, top=top)
        return None if value is None else DataElement(tag, vr, value)

    def _sequence(self, element: DataElement, deed: Deed) -> DataElement:
        items = [] if deed is Deed.EMPTY else element.value
        dummies = deed is not Deed.KEEP
        return DataElement(element.tag, "SQ", Sequence(self._level(item, dummies=dummies) for item in items))

    def _value(self, element: DataElement, deed: Deed, *, top: bool) -> Any:
        value, vr = element.value, element.VR
        match deed:
            case Deed.UID:
                return (
                    [self._uid(str(one)) for one in value] if isinstance(value, MultiValue) else self._uid(str(value))
                )
            case Deed.PSEUDONYM:
                patient = self.patient if top else str(value).strip()
                return self.key.pseudonym(patient) if top or element.tag == PATIENT_ID else ""
            case Deed.ACCESSION:
                return self.key.accession(str(value).strip())
            case Deed.SHIFT:
                return shifted(value, vr=vr, days=self.key.days(self.patient)) or DUMMIES[vr]
            case Deed.CAP:
                return capped_age(value) or DUMMIES["AS"]
            case _:
                return self._uid(str(value)) if vr == "UI" else DUMMIES.get(vr)

    def _uid(self, original: str) -> str:
        """A UID of the standard itself stays: it names a kind of thing, not a thing."""
        text = original.strip("\0 ")
        return text if not text or is_well_known(text) else self.key.uid(text)


_SAME = object()


def _element(dataset: Dataset, tag: BaseTag) -> DataElement | None:
    """The parsed element; None if it cannot be parsed."""
    try:
        return dataset[tag]
    except UNPARSABLE:
        return None


def _code(value: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = CODES[value]
    return item
