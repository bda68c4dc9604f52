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
