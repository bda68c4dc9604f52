"""What headers say a picture is, of which breast and view, and what is refused: on elements alone."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import FileMetaDataset
from pydicom.sr import codes
from pydicom.sr._snomed_dict import mapping
from pydicom.sr.coding import Code
from pydicom.uid import ExplicitVRLittleEndian

from headers import code, header, item, said, view_code
from mammoscope.dicom.facts import laterality_of, refuse_by_policy, traits_of, view_of
from mammoscope.dicom.policy import ACCEPTED
from mammoscope.dicom.traits import MODIFIERS, ROLLED_AND_OTHER, SPECIMEN_CODES
from mammoscope.dicom.views import SIDE_CODES
from mammoscope.dicom.wording import GLUED, wording_of
from mammoscope.errors import ImageError
from mammoscope.images import Preprocess, read_mammogram
from mammoscope.vocabulary import VIEW_CODES, Laterality, Trait, View

FFDM = "1.2.840.10008.5.1.4.1.1.1.2"
TOMO = "1.2.840.10008.5.1.4.1.1.13.1.3"
PROJECTION = "1.2.840.10008.5.1.4.1.1.13.1.4"
CAPTURE = "1.2.840.10008.5.1.4.1.1.7"
LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT


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
    "magnified, by the distances alone": (
        {"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "330", "ViewPosition": "CC"},
        ((Trait.MAGNIFICATION,), View.CC, None),
    ),
    "contact, by the distances": (
        {"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "616"},
        ((), None, None),
    ),
    "distances that no stand has": (
        {"DistanceSourceToDetector": "660", "DistanceSourceToPatient": "1"},
        ((), None, None),
    ),
    "magnified, by its calibrated pixels alone": (
        {"PixelSpacing": [0.055, 0.055], "ImagerPixelSpacing": [0.1, 0.1]},
        ((Trait.MAGNIFICATION,), None, None),
    ),
    "contact, by its calibrated pixels": (
        {"PixelSpacing": [0.065, 0.065], "ImagerPixelSpacing": [0.07, 0.07]},
        ((), None, None),
    ),
    "projections of binned pixels": (
        {"SOPClassUID": PROJECTION, "PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.14, 0.14]},
        ((Trait.PROJECTION,), None, None),
    ),
    "magnified spot, in one word": (
        {"PaddleDescription": "SPOTMAG"},
        ((Trait.MAGNIFICATION, Trait.SPOT), None, None),
    ),
    "magnified, in a word of its own": ({"SeriesDescription": "L CC MAGVIEW"}, ((Trait.MAGNIFICATION,), View.CC, LEFT)),
    "coned": ({"SeriesDescription": "R CC CONED"}, ((Trait.SPOT,), View.CC, RIGHT)),
    "magnified, by the protocol": ({"ProtocolName": "MAG CC"}, ((Trait.MAGNIFICATION,), None, None)),
    "magnified, by the study": ({"StudyDescription": "MAMMO DIAG MAG"}, ((Trait.MAGNIFICATION,), None, None)),
    "contact, in a study with magnified views": (
        {"StudyDescription": "MAMMO DIAG MAG", "EstimatedRadiographicMagnificationFactor": "1.07"},
        ((), None, None),
    ),
    "specimen, by the study": (
        {"StudyDescription": "SPECIMEN", "EstimatedRadiographicMagnificationFactor": "1.07"},
        ((Trait.SPECIMEN,), None, None),
    ),
    "an ordinary view after a biopsy, by the study": ({"StudyDescription": "STEREO BIOPSY LEFT"}, ((), None, None)),
    "a plate that does not call itself a mammogram": (
        {"Modality": "CR", "BodyPartExamined": "BREAST", "ViewPosition": "CC"},
        ((Trait.NOT_MG,), View.CC, None),
    ),
    "no modality": ({"Modality": None}, ((Trait.NOT_MG,), None, None)),
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
    "a test object": (
        {"SOPClassUID": FFDM, "QualityControlImage": "YES", "ViewPosition": "CC", "ImageLaterality": "L"},
        ((Trait.QUALITY_CONTROL,), View.CC, LEFT),
    ),
    "no test object, said": ({"QualityControlImage": "NO"}, ((), None, None)),
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
    "magnified, by the meaning of a local code": (
        {"ViewCodeSequence": [item(CodeValue="X1", CodingSchemeDesignator="99A", CodeMeaning="CC magnification")]},
        ((Trait.MAGNIFICATION,), View.CC, None),
    ),
    "magnified, in the short form of a local code": (
        {"ViewCodeSequence": [item(CodeValue="X1", CodingSchemeDesignator="99A", CodeMeaning="RMCC")]},
        ((Trait.MAGNIFICATION,), View.CC, RIGHT),
    ),
    "spot, by the meaning of a local code": (
        {"ViewCodeSequence": [item(CodeValue="X1", CodingSchemeDesignator="99A", CodeMeaning="Spot compression CC")]},
        ((Trait.SPOT,), View.CC, None),
    ),
    "spot, by the meaning of a local modifier": (
        {
            "ViewCodeSequence": [
                code("399162004", ViewModifierCodeSequence=[item(CodeValue="Y", CodeMeaning="Spot Compression")])
            ]
        },
        ((Trait.SPOT,), View.CC, None),
    ),
    "spot, by the meaning of a local modifier beside the view": (
        {"ViewPosition": "CC", "ViewModifierCodeSequence": [item(CodeValue="Y", CodeMeaning="Spot Compression")]},
        ((Trait.SPOT,), View.CC, None),
    ),
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
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.1.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.1.2.1"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.13.1.5"},
    ],
)
def test_for_processing_is_refused_whatever_is_accepted(elements: dict) -> None:
    with pytest.raises(ImageError, match="FOR PROCESSING"):
        refuse_by_policy(header(**elements), accept=tuple(Trait))


@pytest.mark.parametrize("modality", ["CR", "DX", "RG", "OT", "SC", None])
@pytest.mark.parametrize(
    ("elements", "told"),
    [
        ({"BodyPartExamined": "CHEST"}, r"Body Part Examined \(0018,0015\) CHEST, not the breast"),
        ({"BodyPartExamined": "CANARY JANE"}, "not a known word, not the breast"),
        ({"AnatomicRegionSequence": [code("51185008")]}, r"Anatomic Region Sequence \(0008,2218\)"),
    ],
)
def test_another_part_of_the_body_is_refused_unless_it_is_mg(modality: str | None, elements: dict, told: str) -> None:
    with pytest.raises(ImageError, match=told) as caught:
        refuse_by_policy(header(Modality=modality, **elements), accept=tuple(Trait))

    assert caught.value.code == "refused"
    assert "CANARY" not in str(caught.value)
    assert refuse_by_policy(header(**elements)) == ()


@pytest.mark.parametrize(
    "elements",
    [
        {},
        {"BodyPartExamined": "Left Breast"},
        {"BodyPartExamined": "MAMMA"},
        {"AnatomicRegionSequence": [code("T-04000")]},
        {"BodyPartExamined": "THORAX", "AnatomicRegionSequence": [code("80248007")]},
    ],
)
def test_what_is_no_mg_is_tagged_and_a_recipe_may_refuse_it(elements: dict) -> None:
    one = header(Modality="DX", **elements)

    assert refuse_by_policy(one) == (Trait.NOT_MG,)
    assert said(one, "trait") == ["not-mg | Modality (0008,0060) is DX"]
    with pytest.raises(ImageError, match=r"is not-mg \(Modality \(0008,0060\) is DX\)"):
        refuse_by_policy(header(Modality="DX", **elements), accept=(Trait.IMPLANT,))


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


def test_the_meaning_of_each_view_and_modifier_says_the_traits_of_its_code() -> None:
    for one in (*concepts("cid4014"), *concepts("cid4015")):
        by_code = (Trait.SPECIMEN,) if one.value in SPECIMEN_CODES else MODIFIERS.get(one.value, ())
        local = [item(CodeValue="X1", CodingSchemeDesignator="99A", CodeMeaning=one.meaning)]

        assert traits_of(header(ViewModifierCodeSequence=local)) == by_code
        assert traits_of(header(ViewCodeSequence=local)) == by_code


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


def plain_file(folder: Path, **elements: object) -> Path:
    """A half-lit picture for presentation, with further elements."""
    pixels = np.zeros((64, 48), dtype=np.uint16)
    pixels[8:56, :30] = np.arange(30, 0, -1) * 100
    dataset = item(SOPClassUID=FFDM, SOPInstanceUID="2.25.1", Modality="MG", Rows=64, Columns=48, SamplesPerPixel=1)
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit, dataset.PixelRepresentation = 16, 12, 11, 0
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelData = pixels.tobytes()
    dataset["PixelData"].VR = "OW"
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.save_as(folder / "one.dcm", enforce_file_format=True)
    return folder / "one.dcm"


def test_a_picture_that_is_read_carries_its_traits(tmp_path: Path) -> None:
    file = plain_file(tmp_path, BreastImplantPresent="YES", PartialView="YES")

    mammogram = read_mammogram(file)

    assert mammogram.traits == (Trait.IMPLANT, Trait.PARTIAL_VIEW)
    with pytest.raises(ImageError, match=r"is partial-view \(Partial View \(0028,1350\) = YES\)"):
        read_mammogram(file, preprocess=Preprocess(accept=(Trait.IMPLANT,)))


def test_a_synthetic_view_is_read_only_by_a_recipe_that_accepts_it(tmp_path: Path) -> None:
    file = plain_file(tmp_path, SeriesDescription="L CC C-View")

    with pytest.raises(ImageError, match="says C VIEW"):
        read_mammogram(file)
    assert read_mammogram(file, preprocess=Preprocess(accept=(Trait.SYNTHETIC_2D,))).traits == (Trait.SYNTHETIC_2D,)


def test_a_recipe_picks_a_window_by_its_name(tmp_path: Path) -> None:
    names = {"WindowCenter": [500, 2000], "WindowWidth": [1000, 4000], "WindowCenterWidthExplanation": ["A", "Soft"]}
    file = plain_file(tmp_path, **names)

    hard, soft = (read_mammogram(file, preprocess=Preprocess(window_explanation=name)) for name in ("a", "SOFT"))

    assert any("centre 2000, width 4000, number 2 of 2, SOFT" in step.detail for step in soft.trail)
    assert hard.pixels.mean() > soft.pixels.mean()
