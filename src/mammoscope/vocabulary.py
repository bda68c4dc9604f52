"""The words that all layers share, as DICOM and BI-RADS write them."""

from enum import StrEnum


class Laterality(StrEnum):
    """Side of the body; Image Laterality (0020,0062)."""

    LEFT = "L"
    RIGHT = "R"


class View(StrEnum):
    """Projection, by its usual short form; View Code Sequence (0054,0220), PS3.16 CID 4014."""

    CC = "CC"  # cranio-caudal
    MLO = "MLO"  # medio-lateral oblique
    ML = "ML"  # medio-lateral
    LM = "LM"  # latero-medial
    LMO = "LMO"  # latero-medial oblique
    XCC = "XCC"  # exaggerated cranio-caudal
    XCCL = "XCCL"  # ... laterally
    XCCM = "XCCM"  # ... medially
    FB = "FB"  # caudo-cranial (from below)
    SIO = "SIO"  # superolateral to inferomedial oblique
    ISO = "ISO"  # inferomedial to superolateral oblique
    AT = "AT"  # axillary tail
    CV = "CV"  # cleavage


VIEW_CODES: dict[str, View] = {  # PS3.16 CID 4014 View for Mammography: SNOMED CT, and the older SNOMED RT
    **dict.fromkeys(("399162004", "R-10242"), View.CC),
    **dict.fromkeys(("399368009", "R-10226"), View.MLO),
    **dict.fromkeys(("399260004", "R-10224"), View.ML),
    **dict.fromkeys(("399352003", "R-10228"), View.LM),
    **dict.fromkeys(("399099002", "R-10230"), View.LMO),
    **dict.fromkeys(("399196006", "R-10244"), View.FB),
    **dict.fromkeys(("399188001", "R-102D0"), View.SIO),
    **dict.fromkeys(("441555000", "R-40AAA"), View.ISO),
    **dict.fromkeys(("399192008", "R-1024A"), View.XCCL),
    **dict.fromkeys(("399101009", "R-1024B"), View.XCCM),
}
"""The projections by the Code Value (0008,0100) of a View Code Sequence (0054,0220)."""


class Trait(StrEnum):
    """What sets a picture apart from a plain 2D mammogram of one whole breast; recognised from its header."""

    SYNTHETIC_2D = "synthetic-2d"  # computed from tomosynthesis: C-View, Intelligent 2D, V-Preview, Insight 2D, S-View
    TOMOSYNTHESIS = "tomosynthesis"  # reconstructed slices
    PROJECTION = "tomosynthesis-projection"  # the exposures that slices are computed from
    MAGNIFICATION = "magnification"  # the breast stands off the detector
    SPOT = "spot"  # a small paddle presses a part of the breast
    SPECIMEN = "specimen"  # excised tissue
    IMPLANT = "implant"  # the breast holds one, visible or not
    IMPLANT_DISPLACED = "implant-displaced"  # pushed back to the chest wall, as Eklund described
    PARTIAL_VIEW = "partial-view"  # one of several pictures of a breast larger than the detector
    CONTRAST = "contrast"  # taken after an injection; the energy is not stated
    LOW_ENERGY = "low-energy"  # of a dual-energy pair: looks like a plain mammogram
    HIGH_ENERGY = "high-energy"  # of a dual-energy pair: not for reading
    SUBTRACTED = "subtracted"  # computed from several exposures: shows the contrast agent, not the tissue
    BIOPSY = "biopsy"  # stereotactic, or with needle or marker
    QUALITY_CONTROL = "quality-control"  # shows a test object, or checks the machine
    NOT_MG = "not-mg"  # Modality is CR, DX, RG, OT or SC, or is not said: nothing but its place says mammogram


class Density(StrEnum):
    """Breast composition category of a reader, ACR BI-RADS 5th edition."""

    A = "A"  # almost entirely fatty
    B = "B"  # scattered fibroglandular densities
    C = "C"  # heterogeneously dense
    D = "D"  # extremely dense


class Tissue(StrEnum):
    """Background tissue as mini-MIAS names it: three classes, not the four of BI-RADS."""

    FATTY = "F"
    FATTY_GLANDULAR = "G"
    DENSE_GLANDULAR = "D"


class Pathology(StrEnum):
    """What is known of the tissue of a finding."""

    MALIGNANT = "malignant"
    BENIGN = "benign"
    BENIGN_WITHOUT_CALLBACK = "benign without callback"  # CBIS-DDSM: judged benign, not recalled, no biopsy
    NORMAL = "normal"  # no finding


class LesionKind(StrEnum):
    """Type of finding, ACR BI-RADS 5th edition."""

    MASS = "mass"
    CALCIFICATION = "calcification"
    DISTORTION = "architectural distortion"
    ASYMMETRY = "asymmetry"
    OTHER = "other"


class LabelOrigin(StrEnum):
    """Who says that a finding is malignant or not."""

    BIOPSY = "biopsy"  # proven by pathology
    READER = "reader"  # a radiologist's judgement
    DERIVED = "derived"  # computed: follow-up, absence of a finding, or a synthetic truth


class Part(StrEnum):
    """Role of a patient in an experiment."""

    TRAIN = "train"  # weights are fitted on it
    TUNE = "tune"  # checkpoint, threshold and calibration are chosen on it
    TEST = "test"  # nothing but the final evaluation


VIEW_NUMBERS = 3 * (len(View) + 1)
"""How many numbers `view_number` gives."""


def view_number(laterality: Laterality | None, view: View | None) -> int:
    """Side and projection of a picture as one number, for networks that read several; 0 where nothing is known.

    Example:
        >>> view_number(None, None), view_number(Laterality.LEFT, View.CC), view_number(Laterality.RIGHT, View.CC)
        (0, 15, 29)
    """
    side = 0 if laterality is None else 1 + list(Laterality).index(laterality)
    projection = 0 if view is None else 1 + list(View).index(view)
    return side * (len(View) + 1) + projection
