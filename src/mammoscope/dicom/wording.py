"""What people and machines write about a mammogram in words: view, side and traits, by whole tokens.

A token is a run of letters and digits. Nothing is found inside a longer one: "oblique" holds no side and
"unilateral" no R. Words that mean something else as often ("AT", "ISO", "LAT", "CV") are not read at all.
"""

import re
from dataclasses import dataclass
from itertools import product

from mammoscope.vocabulary import Laterality, Trait, View

LEFT, RIGHT = Laterality.LEFT, Laterality.RIGHT
SIDES = {"L": LEFT, "LT": LEFT, "LEFT": LEFT, "R": RIGHT, "RT": RIGHT, "RIGHT": RIGHT}
TERSE = (View.CC, View.MLO, View.ML, View.LM, View.LMO, View.XCC, View.XCCL, View.XCCM)
VIEW_WORDS: dict[tuple[str, ...], View] = {
    **dict.fromkeys((("CRANIO", "CAUDAL"), ("CRANIOCAUDAL",)), View.CC),
    **dict.fromkeys((("CAUDO", "CRANIAL"), ("CAUDOCRANIAL",)), View.FB),
    **dict.fromkeys((("MEDIO", "LATERAL"), ("MEDIAL", "LATERAL"), ("MEDIOLATERAL",)), View.ML),
    **dict.fromkeys((("LATERO", "MEDIAL"), ("LATERAL", "MEDIAL"), ("LATEROMEDIAL",)), View.LM),
    **dict.fromkeys(
        (("MEDIO", "LATERAL", "OBLIQUE"), ("MEDIAL", "LATERAL", "OBLIQUE"), ("MEDIOLATERAL", "OBLIQUE")), View.MLO
    ),
    **dict.fromkeys(
        (("LATERO", "MEDIAL", "OBLIQUE"), ("LATERAL", "MEDIAL", "OBLIQUE"), ("LATEROMEDIAL", "OBLIQUE")), View.LMO
    ),
    ("CRANIO", "CAUDAL", "EXAGGERATED", "LATERALLY"): View.XCCL,
    ("CRANIO", "CAUDAL", "EXAGGERATED", "MEDIALLY"): View.XCCM,
    ("SUPEROLATERAL", "TO", "INFEROMEDIAL", "OBLIQUE"): View.SIO,
    ("INFEROMEDIAL", "TO", "SUPEROLATERAL", "OBLIQUE"): View.ISO,
}
TRAIT_WORDS: dict[tuple[str, ...], tuple[Trait, ...]] = {
    **dict.fromkeys(
        (
            *(("C", "VIEW"), ("CVIEW",), ("S", "VIEW"), ("V", "PREVIEW"), ("VPREVIEW",), ("INTELLIGENT", "2D")),
            *(("INSIGHT", "2D"), ("GENERATED", "2D"), ("SYNTHETIC",), ("SYNTHETIC", "2D"), ("SYNTHESIZED",)),
            *(("SYNTHESISED",), ("SYNTHESIZED", "2D"), ("S2D",)),
        ),
        (Trait.SYNTHETIC_2D,),
    ),
    **dict.fromkeys(
        (("MAG",), ("MAGS",), ("MAGN",), ("MAGVIEW",), ("MAGVIEWS",), ("MAGNIFIED",), ("MAGNIFICATION",)),
        (Trait.MAGNIFICATION,),
    ),
    **dict.fromkeys((("SPOTMAG",), ("MAGSPOT",)), (Trait.MAGNIFICATION, Trait.SPOT)),
    **dict.fromkeys(
        (("SPOT",), ("SPOT", "COMPRESSION"), ("CONED",), ("CONED", "DOWN"), ("CONE", "DOWN"), ("CONE", "VIEW")),
        (Trait.SPOT,),
    ),
    **dict.fromkeys(
        (("SPECIMEN",), ("SPECIMENS",), ("SPECIMENRADIOGRAPH",), ("SPECIMENRADIOGRAPHY",)), (Trait.SPECIMEN,)
    ),
    **dict.fromkeys((("IMPLANT", "DISPLACED"), ("IMPLANTS", "DISPLACED"), ("EKLUND",)), (Trait.IMPLANT_DISPLACED,)),
    **dict.fromkeys(
        (
            *(("STEREO",), ("STEREOTACTIC",), ("STEREOTAXIS",), ("BIOPSY",), ("PREFIRE",), ("POSTFIRE",)),
            *(("PRE", "FIRE"), ("POST", "FIRE"), ("POSTBIOPSY",)),
        ),
        (Trait.BIOPSY,),
    ),
    **dict.fromkeys((("LOW", "ENERGY"),), (Trait.LOW_ENERGY,)),
    **dict.fromkeys((("HIGH", "ENERGY"),), (Trait.HIGH_ENERGY,)),
    **dict.fromkeys((("RECOMBINED",), ("SUBTRACTED",), ("SUBTRACTION",)), (Trait.SUBTRACTED,)),
    **dict.fromkeys((("CESM",), ("CEDM",), ("CEM",), ("TICEM",), ("CONTRAST", "ENHANCED")), (Trait.CONTRAST,)),
    **dict.fromkeys((("TOMO", "PROJECTION"), ("TOMOSYNTHESIS", "PROJECTION")), (Trait.PROJECTION,)),
    **dict.fromkeys((("TOMOSYNTHESIS", "RECONSTRUCTION"), ("TOMO", "RECONSTRUCTION")), (Trait.TOMOSYNTHESIS,)),
}
SUFFIXES: dict[str, tuple[Trait, ...]] = {  # PS3.16 CID 4015, its short forms: after the view ...
    "ID": (Trait.IMPLANT_DISPLACED,),
    "S": (Trait.SPOT,),
    **dict.fromkeys(("RL", "RM", "RI", "RS"), ()),  # ... rolled
}
LONGEST = max(len(words) for words in (*VIEW_WORDS, *TRAIT_WORDS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wording:
    """What a text says, each with the words that say it.

    Attributes:
        views: Views named, without repetition.
        sides: Sides named, without repetition.
        traits: Traits named, and the words.
    """

    views: tuple[View, ...] = ()
    sides: tuple[Laterality, ...] = ()
    traits: tuple[tuple[Trait, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Glued:
    """One token of several parts: RMCCID is the right breast, magnified, CC, implant displaced."""

    view: View
    side: Laterality | None = None
    traits: tuple[Trait, ...] = ()


def wording_of(text: str) -> Wording:
    """Read a description.

    Args:
        text: Such as Series Description (0008,103E) or View Position (0018,5101).

    Returns:
        What is said; nothing where the words are unknown.

    Source:
        DICOM PS3.16 CID 4014, CID 4015 (meanings and ACR short forms), and descriptions seen in archives.

    Example:
        >>> wording_of("R MLO C-View")
        Wording(views=(<View.MLO: 'MLO'>,), sides=(<Laterality.RIGHT: 'R'>,),
        traits=((<Trait.SYNTHETIC_2D: 'synthetic-2d'>, 'C VIEW'),))
        >>> wording_of("LMCC").traits, wording_of("oblique, unilateral").views
        (((<Trait.MAGNIFICATION: 'magnification'>, 'LMCC'),), ())
    """
    tokens = re.findall(r"[^\W_]+", text.upper())
    views: dict[View, None] = {}
    sides: dict[Laterality, None] = {}
    letters: dict[Laterality, None] = {}
    traits: dict[Trait, str] = {}
    at = 0
    while at < len(tokens):
        words = _longest(tokens, at)
        token = tokens[at]
        if words in VIEW_WORDS:
            views[VIEW_WORDS[words]] = None
        elif words in TRAIT_WORDS:
            for trait in TRAIT_WORDS[words]:
                traits.setdefault(trait, " ".join(words))
        elif token in GLUED:
            glued = GLUED[token]
            views[glued.view] = None
            if glued.side is not None:
                sides[glued.side] = None
            for trait in glued.traits:
                traits.setdefault(trait, token)
        elif token in SIDES:
            (letters if len(token) == 1 else sides)[SIDES[token]] = None
        at += max(1, len(words))
    if views:  # a letter alone is a side only beside a view
        sides |= letters
    return Wording(views=tuple(views), sides=tuple(sides), traits=tuple(traits.items()))


def _longest(tokens: list[str], at: int) -> tuple[str, ...]:
    for count in range(LONGEST, 0, -1):
        words = tuple(tokens[at : at + count])
        if len(words) == count and (words in VIEW_WORDS or words in TRAIT_WORDS):
            return words
    return ()


def _glued() -> dict[str, _Glued]:
    """Every token made of side, M for magnified, view and suffix; the shorter reading wins: LM is a view."""
    found: dict[str, _Glued] = {view.value: _Glued(view=view) for view in TERSE}
    sides = {"L": LEFT, "R": RIGHT}
    for letter, view in product(sides, TERSE):
        found.setdefault(f"{letter}{view}", _Glued(view=view, side=sides[letter]))
    for view, (letter, side) in product((View.CC, View.MLO), (("D", RIGHT), ("E", LEFT))):  # direita, esquerda
        found.setdefault(f"{view}{letter}", _Glued(view=view, side=side))
    starts = {"": None, **sides}
    for start, view, (suffix, traits) in product(starts, (View.CC, View.MLO), SUFFIXES.items()):
        found.setdefault(f"{start}{view}{suffix}", _Glued(view=view, side=starts[start], traits=traits))
    for start, view, suffix in product(starts, (*TERSE[:5],), ("", *SUFFIXES)):
        magnified = (Trait.MAGNIFICATION, *SUFFIXES.get(suffix, ()))
        found.setdefault(f"{start}M{view}{suffix}", _Glued(view=view, side=starts[start], traits=magnified))
    return found


GLUED = _glued()
"""Tokens of several parts, and what they say."""
