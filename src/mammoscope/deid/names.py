"""Names of people in bytes of any kind: in any order and case, and long enough not to be there by chance."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import permutations
from mmap import mmap

LEAST_LETTERS = 8  # of a word, or of two together; in compressed bytes once in 2 * 10**9 MB
CHUNK_BYTES = 1 << 20
REACH_BYTES = 512  # longer than a name: 64 characters of up to four bytes, and what stands between two words of it
BETWEEN = rb"(?:[^a-z0-9]|[^a-z0-9].{0,14}[^a-z0-9])?"  # an initial or a comma may


@dataclass(frozen=True, slots=True, kw_only=True)
class Name:
    """One name as it is searched for in bytes, letters of ASCII in lower case.

    Attributes:
        anchors: Words of which at least one is there where the name is.
        pattern: A long word of it, or two of its words in either order.
    """

    anchors: frozenset[bytes]
    pattern: re.Pattern[bytes]

    def stands_in(self, lowered: bytes) -> bool:
        """Whether bytes in lower case hold it."""
        for anchor in self.anchors:
            at = lowered.find(anchor)
            while at >= 0:
                if self.pattern.search(lowered, max(0, at - REACH_BYTES), at + REACH_BYTES):
                    return True
                at = lowered.find(anchor, at + 1)
        return False


def name_of(words: Iterable[str], *, encode: Callable[[str], Iterable[bytes]]) -> Name | None:
    """What to search for, or None where the words are too short to be searched for among any bytes.

    Args:
        words: Of one name.
        encode: Gives the bytes of a text, in each encoding of the file.

    Returns:
        Words and pairs of words with at least `LEAST_LETTERS` letters. A letter that equals the one before the last is
        not counted: in pixels of 16 bits every second byte changes little, so `Tamara` may turn up there.

    Example:
        >>> name = name_of(["Li", "Quack"], encode=lambda text: [text.encode()])
        >>> name is None
        True
        >>> name = name_of(["Linda", "Quack"], encode=lambda text: [text.encode()])
        >>> name.stands_in(b"... quack, linda ..."), name.stands_in(b"quack")
        (True, False)
    """
    spelled = [{code.lower() for form in _forms(word) for code in encode(form)} for word in words]
    anchors = {code for codes in spelled for code in codes if _letters(code) >= LEAST_LETTERS}
    patterns = {re.escape(code) for code in anchors}
    for first, second in permutations(spelled, 2):
        for one in first:
            for other in second:
                if min(len(one), len(other)) > 1 and _letters(one) + _letters(other) >= LEAST_LETTERS:
                    anchors.add(max(one, other, key=_letters))
                    patterns.add(re.escape(one) + BETWEEN + re.escape(other))
    if not anchors:
        return None
    pattern = b"(?<![a-z0-9])(?:" + b"|".join(sorted(patterns)) + b")(?![a-z0-9])"
    return Name(anchors=frozenset(anchors), pattern=re.compile(pattern, re.DOTALL))


def any_name(names: Iterable[Name], content: mmap | bytes) -> bool:
    """Whether bytes hold one of the names, looked through piece by piece."""
    sought = tuple(names)
    for start in range(0, len(content) if sought else 0, CHUNK_BYTES):
        lowered = content[start : start + CHUNK_BYTES + REACH_BYTES].lower()
        if any(name.stands_in(lowered) for name in sought):
            return True
    return False


def _forms(word: str) -> set[str]:
    """As people write it; lowering bytes changes letters of ASCII alone."""
    return {word, word.casefold(), word.lower(), word.upper(), word.title()}


def _letters(code: bytes) -> int:
    return sum(at < 2 or byte != code[at - 2] for at, byte in enumerate(code))
