"""What headers say: traits, policy, view, side, spacing and windows, on elements alone."""

import csv
import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom import Dataset, Sequence, dcmread, dcmwrite
from pydicom.config import disable_value_validation
from pydicom.dataset import FileMetaDataset
from pydicom.pixels import apply_modality_lut, apply_voi
from pydicom.sr import codes
from pydicom.sr._snomed_dict import mapping
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

from mammoscope.errors import ImageError
from mammoscope.images import Preprocess
from mammoscope.images.display import Lut, Rescale, Window, display_values, modality_values
from mammoscope.images.facts import (
    laterality_of,
    modality_of,
    refuse_by_policy,
    spacing_of,
    traits_of,
    view_of,
    voi_of,
)
from mammoscope.images.header import Header
from mammoscope.images.policy import ACCEPTED
from mammoscope.images.traits import MODIFIERS, ROLLED_AND_OTHER, SPECIMEN_CODES
from mammoscope.images.views import SIDE_CODES
from mammoscope.images.wording import GLUED, wording_of
from mammoscope.vocabulary import VIEW_CODES, Laterality, Trait, View

FFDM = "1.2.840.10008.5.1.4.1.1.1.2"
TOMO = "1.2.840.10008.5.1.4.1.1.13.1.3"
PROJECTION = "1.2.840.10008.5.1.4.1.1.13.1.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT


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


WILD = {  # headers as archives hold them: elements, traits, view, side
    "Hologic FFDM": (
        {"SOPClassUID": FFDM, "ImageType": ["ORIGINAL", "PRIMARY", "", "", "", "", "", "", "150000"]}
        | {"ViewCodeSequence": view_code("R-10242"), "ViewPosition": "CC", "ImageLaterality": "R"}
        | {"PaddleDescription": "SCREENING 18x24", "SeriesDescription": "R CC", "PartialView": "NO"}
        | {"EstimatedRadiographicMagnificationFactor": "1.073"},
        ((), View.CC, RIGHT),
    ),
    "Hologic FFDM of a combo exposure, described as one": (
        {"SOPClassUID": FFDM, "ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "L MLO Tomosynthesis Combo"}
        | {"ViewPosition": "MLO", "ImageLaterality": "L"},
        ((), View.MLO, LEFT),
    ),
    "Hologic C-View, old": (
        {"SOPClassUID": FFDM, "ImageType": ["DERIVED", "PRIMARY"], "SeriesDescription": "L CC C-View"},
        ((Trait.SYNTHETIC_2D,), View.CC, LEFT),
    ),
    "Hologic C-View": (
        {"SOPClassUID": FFDM, "ImageType": ["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D", "", "", "", "", "150000"]},
        ((Trait.SYNTHETIC_2D,), None, None),
    ),
    "Hologic Intelligent 2D as a tomosynthesis object": (
        {"SOPClassUID": TOMO, "ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "GENERATED_2D"]}
        | {"NumberOfFrames": 1, "VolumetricProperties": "VOLUME", "VolumeBasedCalculationTechnique": "MAX_IP"}
        | {"ViewCodeSequence": view_code("399368009")},
        ((Trait.SYNTHETIC_2D,), View.MLO, None),
    ),
    "one frame in a tomosynthesis object that says nothing else": (
        {"SOPClassUID": TOMO, "ImageType": ["DERIVED", "PRIMARY"]},
        ((Trait.SYNTHETIC_2D,), None, None),
    ),
    "Fujifilm S-View": (
        {"SOPClassUID": FFDM, "SeriesDescription": "R MLO S-View"},
        ((Trait.SYNTHETIC_2D,), View.MLO, RIGHT),
    ),
    "Siemens Insight 2D": (
        {"SOPClassUID": FFDM, "SeriesDescription": "Insight 2D LMLO", "ViewPosition": "MLO"},
        ((Trait.SYNTHETIC_2D,), View.MLO, LEFT),
    ),
    "GE V-Preview": (
        {"SOPClassUID": FFDM, "SeriesDescription": "V-Preview RCC"},
        ((Trait.SYNTHETIC_2D,), View.CC, RIGHT),
    ),
    "slices": (
        {"SOPClassUID": TOMO, "ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"], "NumberOfFrames": 60},
        ((Trait.TOMOSYNTHESIS,), None, None),
    ),
    "slices beside a synthetic view in one object": (
        {"SOPClassUID": TOMO, "ImageType": ["DERIVED", "PRIMARY", "VOLUME", "GENERATED_2D"], "NumberOfFrames": 8},
        ((Trait.SYNTHETIC_2D, Trait.TOMOSYNTHESIS), None, None),
    ),
    "one slice in its own file": (
        {"SOPClassUID": TOMO, "ImageType": ["DERIVED", "PRIMARY", "TOMOSYNTHESIS", "NONE"], "NumberOfFrames": 1}
        | {"VolumeBasedCalculationTechnique": "NONE"},
        ((Trait.TOMOSYNTHESIS,), None, None),
    ),
    "slices as secondary captures": (
        {"SOPClassUID": CAPTURE, "NumberOfFrames": 45, "SeriesDescription": "L MLO Tomosynthesis Reconstruction"},
        ((Trait.TOMOSYNTHESIS,), View.MLO, LEFT),
    ),
    "projections": (
        {"SOPClassUID": PROJECTION, "NumberOfFrames": 15, "ImageType": ["ORIGINAL", "PRIMARY", "TOMO_PROJ", "NONE"]},
        ((Trait.PROJECTION,), None, None),
    ),
    "a projection in its own file": (
        {"SOPClassUID": FFDM, "ImageType": ["DERIVED", "PRIMARY", "TOMO_PROJ", "RIGHT", "", "", "", "", "150000"]},
        ((Trait.PROJECTION,), None, None),
    ),
    "magnified, by code": (
        {"ViewCodeSequence": view_code("399162004", "399163009"), "ViewPosition": "CC", "ImageLaterality": "L"},
        ((Trait.MAGNIFICATION,), View.CC, LEFT),
    ),
    "spot and magnified, by older codes": (
        {"ViewCodeSequence": view_code("R-10224", "R-102D6", "R-102D7")},
        ((Trait.MAGNIFICATION, Trait.SPOT), View.ML, None),
    ),
    "magnified, modifier beside the view": (
        {"ViewCodeSequence": [code("399162004")], "ViewModifierCodeSequence": [code("399163009")]},
        ((Trait.MAGNIFICATION,), View.CC, None),
    ),
    "magnified, by the factor alone": (
        {"EstimatedRadiographicMagnificationFactor": "1.8", "ViewPosition": "CC"},
        ((Trait.MAGNIFICATION,), View.CC, None),
    ),
    "magnified, by the paddle": (
        {"PaddleDescription": "10CM MAG", "ViewPosition": "MLO"},
        ((Trait.MAGNIFICATION,), View.MLO, None),
    ),
    "magnified, in the view position": ({"ViewPosition": "MCC"}, ((Trait.MAGNIFICATION,), View.CC, None)),
    "spot, in words": ({"SeriesDescription": "RT CC Spot"}, ((Trait.SPOT,), View.CC, RIGHT)),
    "specimen, by view": ({"ViewCodeSequence": view_code("127457009")}, ((Trait.SPECIMEN,), None, None)),
    "specimen, by older region": (
        {"AnatomicRegionSequence": [code("G-8310")], "BodyPartExamined": "BREAST"},
        ((Trait.SPECIMEN,), None, None),
    ),
    "specimen, by its module": (
        {"SpecimenDescriptionSequence": [item(SpecimenIdentifier="S1")]},
        ((Trait.SPECIMEN,), None, None),
    ),
    "specimen, in words": ({"SeriesDescription": "L Specimen"}, ((Trait.SPECIMEN,), None, None)),
    "implant": (
        {"BreastImplantPresent": "YES", "ViewPosition": "CC", "ImageLaterality": "R"},
        ((Trait.IMPLANT,), View.CC, RIGHT),
    ),
    "implant displaced": (
        {"BreastImplantPresent": "YES", "ViewCodeSequence": view_code("399368009", "399209000")},
        ((Trait.IMPLANT, Trait.IMPLANT_DISPLACED), View.MLO, None),
    ),
    "implant displaced, in words": (
        {"SeriesDescription": "LMLOID", "ViewPosition": "MLO"},
        ((Trait.IMPLANT_DISPLACED,), View.MLO, LEFT),
    ),
    "tile of a large breast": ({"PartialView": "YES"}, ((Trait.PARTIAL_VIEW,), None, None)),
    "dual energy, low": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "POST_CONTRAST", "", "LOW_ENERGY"], "ContrastBolusAgent": "IODINE"},
        ((Trait.LOW_ENERGY,), None, None),
    ),
    "dual energy, subtracted": (
        {"ImageType": ["DERIVED", "PRIMARY", "POST_CONTRAST", "SUBTRACTION", "", "", "", "", "50000"]},
        ((Trait.SUBTRACTED,), None, None),
    ),
    "dual energy, recombined": (
        {"ImageType": ["DERIVED", "PRIMARY", "", "RECOMBINED"]},
        ((Trait.SUBTRACTED,), None, None),
    ),
    "contrast": ({"ContrastBolusAgent": "Iohexol"}, ((Trait.CONTRAST,), None, None)),
    "no contrast, said": ({"ContrastBolusAgent": "NONE"}, ((), None, None)),
    "stereotactic": (
        {"ImageType": ["ORIGINAL", "PRIMARY", "STEREO_MINUS"], "ViewPosition": "CC"},
        ((Trait.BIOPSY,), View.CC, None),
    ),
    "after the needle, in words": ({"SeriesDescription": "L CC POST FIRE"}, ((Trait.BIOPSY,), View.CC, LEFT)),
    "rolled": ({"ViewCodeSequence": view_code("399162004", "399197002")}, ((), View.CC, None)),
    "axillary tail": ({"ViewCodeSequence": view_code("399368009", "399011000")}, ((), View.AT, None)),
    "INbreast": (
        {"SOPClassUID": FFDM, "ImageType": ["DERIVED", "PRIMARY"], "ViewPosition": "ML", "ImageLaterality": "L"}
        | {"ViewCodeSequence": [code("R-10226")]},
        ((), View.MLO, LEFT),  # the code wins: View Position is limited to old words
    ),
    "Portuguese file name as description": ({"SeriesDescription": "MLOE"}, ((), View.MLO, LEFT)),
    "CBIS-DDSM": (
        {"SOPClassUID": CAPTURE, "PatientOrientation": "MLO", "Laterality": "R", "BodyPartExamined": "BREAST"}
        | {"SeriesDescription": "full mammogram images", "ConversionType": "WSD"},
        ((), View.MLO, RIGHT),
    ),
    "CBIS-DDSM, a mask": (
        {"SOPClassUID": CAPTURE, "PatientOrientation": "CC", "BodyPartExamined": "Left Breast"}
        | {"SeriesDescription": "P_00562_LEFT_CC_2.dcm"},
        ((), View.CC, LEFT),
    ),
    "RSNA": ({"ImageLaterality": "L", "PartialView": "NO", "LossyImageCompression": "00"}, ((), None, LEFT)),
    "side by region": ({"AnatomicRegionSequence": [code("80248007")]}, ((), None, LEFT)),
    "side by modifier": (
        {"AnatomicRegionSequence": [code("76752008", AnatomicRegionModifierSequence=[code("G-A100")])]},
        ((), None, RIGHT),
    ),
    "side by the plane of an oblique view": (
        {"PatientOrientation": ["P", "FL"], "ViewPosition": "MLO"},
        ((), View.MLO, RIGHT),
    ),
    "upside down, still right": ({"PatientOrientation": ["A", "HR"], "ViewPosition": "MLO"}, ((), View.MLO, RIGHT)),
    "the plane of a CC is the same for both": (
        {"PatientOrientation": ["P", "L"], "ViewPosition": "CC"},
        ((), View.CC, None),
    ),
    "both sides": ({"ImageLaterality": "B", "SeriesDescription": "R CC"}, ((), View.CC, None)),
    "several views in words": ({"SeriesDescription": "CC and MLO, bilateral"}, ((), None, None)),
    "words that hold no token": ({"SeriesDescription": "Unilateral oblique LAT at 45"}, ((), None, None)),
    "meaning without a known code": (
        {"ViewCodeSequence": [item(CodeValue="X1", CodeMeaning="medio-lateral oblique")]},
        ((), View.MLO, None),
    ),
}


@pytest.mark.parametrize("name", sorted(WILD))
def test_headers_seen_in_the_wild_are_understood(name: str) -> None:
    elements, (traits, view, side) = WILD[name]
    one = header(**elements)

    assert (traits_of(one), view_of(one), laterality_of(one)) == (traits, view, side)
    assert [text.split(" | ")[0] for text in said(one, "trait")] == list(traits)


@pytest.mark.parametrize("name", sorted(WILD))
def test_what_is_no_plain_mammogram_is_refused_unless_accepted_by_name(name: str) -> None:
    elements, (traits, _, _) = WILD[name]
    several = elements.get("NumberOfFrames", 1) > 1
    refused = [one for one in traits if one not in ACCEPTED and not (several and one is Trait.TOMOSYNTHESIS)]

    assert refuse_by_policy(header(**elements), accept=tuple(Trait)) == traits
    if not refused:
        assert refuse_by_policy(header(**elements)) == traits
        return
    with pytest.raises(
        ImageError, match=r"one.dcm: is .*\(.*\), and the recipe accepts implant, .*accept = \["
    ) as caught:
        refuse_by_policy(header(**elements))
    assert caught.value.code == "refused"
    assert all(f'"{one}"' in str(caught.value) for one in refused)


def test_the_refusal_names_the_element_and_the_setting() -> None:
    one = header(ImageType=["DERIVED", "PRIMARY", "TOMO", "GENERATED_2D"])

    with pytest.raises(ImageError) as caught:
        refuse_by_policy(one, accept=())

    assert str(caught.value) == (
        "one.dcm: is synthetic-2d (Image Type (0008,0008), value 4 = GENERATED_2D), and the recipe accepts plain "
        'mammograms only. Leave it out, or set preprocess.accept = ["synthetic-2d"]'
    )


@pytest.mark.parametrize(
    "elements",
    [
        {"PresentationIntentType": "FOR PROCESSING"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.5"},
    ],
)
def test_for_processing_is_refused_whatever_is_accepted(elements: dict) -> None:
    with pytest.raises(ImageError, match="FOR PROCESSING"):
        refuse_by_policy(header(**elements), accept=tuple(Trait))


def test_no_words_of_a_description_but_the_known_ones_are_told() -> None:
    one = header(SeriesDescription="CANARY Jane 1950 R CC C-View")

    with pytest.raises(ImageError) as caught:
        refuse_by_policy(one)

    assert "CANARY" not in str(caught.value) + repr(one.trail)


def test_the_accepted_traits_are_written_in_one_order_and_read_back() -> None:
    mixed = Preprocess(accept=(Trait.IMPLANT, Trait.SPOT, Trait.IMPLANT))

    assert mixed.accept == (Trait.SPOT, Trait.IMPLANT)
    assert Preprocess.model_validate_json(mixed.model_dump_json()) == mixed
    assert json.loads(mixed.model_dump_json())["accept"] == ["spot", "implant"]
    with pytest.raises(ValueError, match="synthetic-2d"):
        Preprocess.model_validate({"accept": ["c-view"]})


def concepts(name: str) -> Iterator[Code]:
    collection = getattr(codes, name)
    return (one for key in dir(collection) if isinstance(one := getattr(collection, key), Code))


def test_every_view_of_cid_4014_is_known_by_both_codes_and_by_its_meaning() -> None:
    older = {new: old for old, new in mapping["SRT"].items()}
    for one in concepts("cid4014"):
        if one.value in SPECIMEN_CODES:
            assert older[one.value] in SPECIMEN_CODES
            continue
        view = VIEW_CODES[one.value]
        assert VIEW_CODES[older[one.value]] is view
        assert wording_of(one.meaning).views == (view,)
    assert len(VIEW_CODES) == 2 * (len(list(concepts("cid4014"))) - 1)


def test_every_modifier_of_cid_4015_is_known_by_both_codes() -> None:
    older = {new: old for old, new in mapping["SRT"].items()}
    known = {**MODIFIERS, **ROLLED_AND_OTHER}
    for one in concepts("cid4015"):
        assert known[one.value] == known[older[one.value]]
        if one.value in ROLLED_AND_OTHER:
            assert ROLLED_AND_OTHER[one.value] == one.meaning.lower()
        else:
            assert MODIFIERS[one.value][0] == one.meaning.lower().replace(" compression", "").replace(" ", "-")
    assert len(known) == 2 * len(list(concepts("cid4015")))


def test_the_codes_of_sides_are_those_of_the_dictionary() -> None:
    older = {new: old for old, new in mapping["SRT"].items()}
    for new, side in (("7771000", LEFT), ("24028007", RIGHT), ("80248007", LEFT), ("73056007", RIGHT)):
        assert SIDE_CODES[new] is SIDE_CODES[older[new]] is side
    assert (codes.SCT.Left.value, codes.SCT.Right.value) == ("7771000", "24028007")
    assert (codes.SCT.LeftBreast.value, codes.SCT.RightBreast.value) == ("80248007", "73056007")


@given(st.sampled_from(sorted(GLUED)), st.text("ABCDEFGHIKNOPQTUVWYZ", min_size=2, max_size=6), st.booleans())
def test_no_token_is_found_inside_a_longer_one(token: str, letters: str, before: bool) -> None:  # noqa: FBT001
    word = letters + token if before else token + letters

    assert wording_of(word).views == ((GLUED[word].view,) if word in GLUED else ())


@given(st.text(max_size=60))
def test_any_text_is_read_and_says_nothing_twice(text: str) -> None:
    found = wording_of(text)

    assert len(found.views) == len(set(found.views))
    assert len(found.sides) == len(set(found.sides))


@pytest.mark.parametrize("text", ["L", "R 2", "L AT 45", "Dr. R. Left-handed R"])
def test_a_letter_alone_is_no_side(text: str) -> None:
    assert RIGHT not in wording_of(text).sides
    assert wording_of(text).views == ()


@pytest.mark.parametrize(
    ("token", "view", "side"),
    [
        ("LM", View.LM, None),
        ("RLM", View.LM, RIGHT),
        ("LML", View.ML, LEFT),
        ("LMLO", View.MLO, LEFT),
        ("LLMO", View.LMO, LEFT),
        ("LMMLO", View.MLO, LEFT),
        ("XCCL", View.XCCL, None),
        ("RXCCM", View.XCCM, RIGHT),
    ],
)
def test_tokens_of_several_parts_have_one_reading(token: str, view: View, side: Laterality | None) -> None:
    assert wording_of(token).views == (view,)
    assert wording_of(token).sides == ((side,) if side else ())


def test_words_that_contradict_the_elements_are_noted() -> None:
    one = header(ImageLaterality="L", ViewPosition="CC", SeriesDescription="R MLO")

    assert (laterality_of(one), view_of(one)) == (LEFT, View.CC)
    assert len(said(one, "oddity")) == 2


@pytest.mark.data
def test_the_headers_of_the_cbis_archive_are_plain_and_understood(real_data: Path) -> None:
    with (real_data / "cbis_ddsm_csv" / "dicom_info_head.csv").open(newline="") as table:
        rows = list(csv.DictReader(table))

    for row in rows:
        keywords = ("SOPClassUID", "Modality", "PatientOrientation", "Laterality", "SeriesDescription")
        one = header(**{key: row[key] for key in (*keywords, "BodyPartExamined")})
        assert refuse_by_policy(one) == ()
        assert view_of(one) == row["PatientOrientation"]
        assert laterality_of(one) == (row["Laterality"] or "L")  # the one without says Left Breast
    assert len(rows) == 9


def frames(**macros: list[Dataset]) -> dict[str, object]:
    """Functional groups of two frames, each with its own item of each macro; one item alone is shared."""
    shared = {key: items for key, items in macros.items() if len(items) == 1}
    own = [{key: [items[at]] for key, items in macros.items() if len(items) > 1} for at in range(2)]
    return {
        "NumberOfFrames": 2,
        "SharedFunctionalGroupsSequence": [item(**shared)],
        "PerFrameFunctionalGroupsSequence": [item(**one) for one in own],
    }


def test_frames_have_their_own_window_rescale_spacing_and_side() -> None:
    groups = frames(
        FrameVOILUTSequence=[
            item(WindowCenter=centre, WindowWidth=100, VOILUTFunction="SIGMOID") for centre in (500, 700)
        ],
        PixelValueTransformationSequence=[item(RescaleSlope="2", RescaleIntercept="-1")],
        PixelMeasuresSequence=[item(PixelSpacing=[0.085, 0.09])],
        FrameAnatomySequence=[item(FrameLaterality="R", AnatomicRegionSequence=[code("76752008")])],
    )
    first, second = header(**groups), header(**groups, frame=1)

    assert voi_of(first, index=0) == Window(centre=500, width=100, function="SIGMOID")
    assert voi_of(second, index=0) == Window(centre=700, width=100, function="SIGMOID")
    assert modality_of(second) == Rescale(slope=2.0, intercept=-1.0)
    assert spacing_of(second) == (0.085, 0.09)
    assert laterality_of(second) is RIGHT


def test_without_functional_groups_the_data_set_itself_is_read() -> None:
    one = header(**frames(), WindowCenter=1, WindowWidth=2, RescaleSlope="3", PixelSpacing=[0.1, 0.1], frame=7)

    assert voi_of(one, index=0) == Window(centre=1, width=2)
    assert modality_of(one) == Rescale(slope=3.0)
    assert spacing_of(one) == (0.1, 0.1)


SPACINGS = {
    "calibrated by geometry": (
        {"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1], "PixelSpacingCalibrationType": "GEOMETRY"}
        | {"EstimatedRadiographicMagnificationFactor": "1.1"},
        (0.1, 0.1),
    ),
    "not calibrated: the detector's, divided": (
        {"PixelSpacing": [0.11, 0.11], "ImagerPixelSpacing": [0.11, 0.11]}
        | {"EstimatedRadiographicMagnificationFactor": "1.1"},
        (0.1, 0.1),
    ),
    "the same number with other digits": (
        {"PixelSpacing": [0.0700001, 0.07], "ImagerPixelSpacing": [0.07, 0.07]}
        | {"EstimatedRadiographicMagnificationFactor": "1.0"},
        (0.07, 0.07),
    ),
    "a senseless factor": (
        {"ImagerPixelSpacing": [0.1, 0.1], "EstimatedRadiographicMagnificationFactor": "0"},
        (0.1, 0.1),
    ),
    "a digitised film": ({"NominalScannedPixelSpacing": [0.042, 0.042]}, (0.042, 0.042)),
    "the size of nothing": ({"PixelSpacing": [1, 1], "Rows": 3328, "Columns": 2560}, None),
    "nothing, beside a size": (
        {"PixelSpacing": [1, 1], "ImagerPixelSpacing": [0.07, 0.07], "Rows": 3328, "Columns": 2560},
        (0.07, 0.07),
    ),
    "in metres": ({"PixelSpacing": [0.00007, 0.00007]}, None),
    "negative": ({"ImagerPixelSpacing": [-0.1, 0.1]}, None),
    "three": ({"PixelSpacing": [0.1, 0.1, 0.1]}, None),
}


@pytest.mark.parametrize("name", sorted(SPACINGS))
def test_spacing_is_read_where_it_is_a_mammograms(name: str) -> None:
    elements, spacing = SPACINGS[name]
    one = header(**elements)

    assert spacing_of(one) == (None if spacing is None else pytest.approx(spacing))
    assert len(said(one, "spacing")) == (spacing is not None)


NAMED = {"WindowCenter": [10, 20, 30], "WindowWidth": [1, 2, 3]}
NAMED["WindowCenterWidthExplanation"] = ["Normal", "HARDER ", ""]


@pytest.mark.parametrize(
    ("explanation", "centre", "noted"),
    [(None, 20, False), ("harder", 20, False), (" NORMAL", 10, False), ("SOFTER", 20, True), ("HARD", 20, True)],
)
def test_a_window_is_found_by_its_name_or_the_index_is_used_and_noted(
    explanation: str | None,
    centre: int,
    noted: bool,  # noqa: FBT001
) -> None:
    one = header(**NAMED)

    window = voi_of(one, index=1, explanation=explanation)

    assert isinstance(window, Window)
    assert window.centre == centre
    assert any("no window of that name" in text for text in said(one, "oddity")) is noted


def test_a_name_chooses_among_tables_and_windows() -> None:
    tables = [lut_item([0, 4095], first=0, bits=12, LUTExplanation=name) for name in ("SOFT", "HARD")]
    tables[1].LUTData = [4095, 0]
    both = NAMED | {"VOILUTSequence": tables, "BitsStored": 12}

    named, unnamed, window = (voi_of(header(**both), index=0, explanation=name) for name in ("hard", None, "normal"))

    assert isinstance(named, Lut)
    assert named.entries.tolist() == [4095, 0]
    assert isinstance(unnamed, Lut)
    assert unnamed.entries.tolist() == [0, 4095]
    assert window == Window(centre=10, width=1)


def test_unequal_numbers_of_centres_and_widths_are_noted() -> None:
    one = header(WindowCenter=[1, 2, 3], WindowWidth=[10, 20])

    assert voi_of(one, index=2) == Window(centre=1, width=10)
    assert any("3 centres and 2 widths" in text for text in said(one, "oddity"))


def lut_item(entries: object, *, first: int, bits: int, vr: str = "US", **more: object) -> Dataset:
    """An item with LUT Descriptor and LUT Data; OW is bytes, the others numbers."""
    table = item(**more)
    count = len(entries) if not isinstance(entries, bytes) else len(entries) // 2
    table.add_new("LUTDescriptor", "SS" if first < 0 else "US", [count % 65536, first, bits])
    table.add_new("LUTData", vr, entries)
    return table


def written(dataset: Dataset, syntax: str) -> Dataset:
    """The data set after it was a file of that syntax."""
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = syntax
    dataset.SOPClassUID, dataset.SOPInstanceUID = FFDM, "2.25.1"
    stream = BytesIO()
    dcmwrite(stream, dataset, enforce_file_format=True)
    stream.seek(0)
    return dcmread(stream)


SYNTAXES = (ImplicitVRLittleEndian, ExplicitVRLittleEndian, ExplicitVRBigEndian)


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_tables_of_any_form_equal_pydicom(data: st.DataObject) -> None:
    """Random tables, signs, depths, value representations and byte orders, through a file."""
    syntax, signed = data.draw(st.sampled_from(SYNTAXES)), data.draw(st.booleans())
    keyword = data.draw(st.sampled_from(["ModalityLUTSequence", "VOILUTSequence"]))
    depths = [8, 16] if keyword == "ModalityLUTSequence" else [8, 10, 12, 14, 16]  # those that pydicom reads
    stored_bits, bits = data.draw(st.integers(8, 16)), data.draw(st.sampled_from(depths))
    low, high = (-(2 ** (stored_bits - 1)), 2 ** (stored_bits - 1) - 1) if signed else (0, 2**stored_bits - 1)
    count, first = data.draw(st.integers(2, 300)), data.draw(st.integers(low, min(high, 32767)))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    entries = rng.integers(0, 2**bits, count).astype(np.uint16)
    as_words = syntax != ImplicitVRLittleEndian and data.draw(st.booleans())
    order = ">u2" if syntax == ExplicitVRBigEndian else "<u2"
    given_as = (entries.astype(order).tobytes(), "OW") if as_words else (entries.tolist(), "US")
    table = lut_item(given_as[0], first=first, bits=bits, vr=given_as[1])
    if keyword == "ModalityLUTSequence":
        table.ModalityLUTType = "US"
    dataset = item(Modality="MG", BitsAllocated=16, BitsStored=stored_bits, PixelRepresentation=int(signed))
    dataset.PhotometricInterpretation = "MONOCHROME2"
    setattr(dataset, keyword, [table])
    stored = rng.integers(low, high, 500, endpoint=True).astype(np.int16 if signed else np.uint16)
    if bits == 8:  # pydicom counts in 8 bits here, and wraps around beyond the table
        stored = np.minimum(stored.astype(np.int32), first + 255)
    read = written(dataset, syntax)
    one = Header(path=Path("one.dcm"), dataset=read)

    if keyword == "ModalityLUTSequence":
        ours, theirs = modality_values(stored, modality_of(one)), apply_modality_lut(stored.astype(np.int32), read)
        np.testing.assert_array_equal(ours, theirs)
    else:
        voi = voi_of(one, index=0)
        assert isinstance(voi, Lut)
        ours = display_values(stored, modality=Rescale(), voi=voi, invert=False)
        np.testing.assert_allclose(ours, apply_voi(stored.astype(np.int32), read) / (2**bits - 1), atol=1e-6)
    assert not said(one, "oddity")


def test_a_table_of_65536_entries_has_a_descriptor_of_zero() -> None:
    entries = np.arange(65536, dtype="<u2")[::-1]
    table = lut_item(entries.tobytes(), first=0, bits=16, vr="OW", ModalityLUTType="US")
    assert table.LUTDescriptor[0] == 0
    read = written(
        item(BitsStored=16, BitsAllocated=16, PixelRepresentation=0, ModalityLUTSequence=[table]), SYNTAXES[1]
    )
    stored = np.array([0, 1, 40000, 65535], dtype=np.uint16)

    found = modality_of(Header(path=Path("one.dcm"), dataset=read))

    np.testing.assert_array_equal(modality_values(stored, found), apply_modality_lut(stored, read))
    assert modality_values(stored, found).tolist() == [65535, 65534, 25535, 0]


def test_entries_of_8_bits_may_be_packed_two_in_a_word() -> None:
    # PS3.3 C.11.1.1.1: LUT Data of 8 bits in words, the first entry in the low byte
    table = item(LUTData=b"\x00\x10\x20\x30\xff\x00")
    table.add_new("LUTDescriptor", "US", [5, 0, 8])

    found = voi_of(header(BitsStored=8, VOILUTSequence=[table]), index=0)

    assert isinstance(found, Lut)
    assert found.entries.tolist() == [0, 16, 32, 48, 255]


@pytest.mark.parametrize(
    ("elements", "first", "wanted"),
    [
        ({"BitsStored": 12, "PixelRepresentation": 1}, 65036, -500),  # written as unsigned beside signed pixels
        ({"BitsStored": 12, "RescaleIntercept": "-1024", "RescaleSlope": "1"}, 64512, -1024),
        ({"BitsStored": 16, "PixelRepresentation": 0}, -15536, 50000),  # written as signed beside unsigned ones
        ({"BitsStored": 12, "PixelRepresentation": 0}, 4000, 4000),
    ],
)
def test_the_first_value_of_a_table_has_the_sign_of_what_is_looked_up(elements: dict, first: int, wanted: int) -> None:
    table = lut_item([0, 100, 4095], first=min(first, 32767) if first >= 0 else first, bits=12)
    table["LUTDescriptor"].value = [3, first, 12]
    one = header(**elements, VOILUTSequence=[table])

    found = voi_of(one, index=0)

    assert isinstance(found, Lut)
    assert found.first == wanted
    assert bool(said(one, "oddity")) is (first != wanted)
