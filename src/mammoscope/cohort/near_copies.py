"""Pictures that are nearly the same, found among many without comparing each with each."""

from itertools import pairwise

import numpy as np
import polars as pl
from jaxtyping import Int8, Int64, UInt8, UInt16

MOST_BITS = 20  # of 256 signs may differ
LEAST_CORRELATION = 0.97  # of the thumbnails
WORDS = 16  # of 16 bits each: where 20 bits of 256 differ, one word differs in one bit at most
ENOUGH = 1 << 22  # pairs compared at a time


def near_copies(
    signs: UInt8[np.ndarray, "images bytes"], thumbs: Int8[np.ndarray, "images thumb"]
) -> tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]:
    """Pairs of pictures that are nearly the same: few signs differ, and the fine structure correlates.

    With at most 20 of 256 bits different, one of 16 words of 16 bits differs in one bit at most. So only pictures that
    share such a word are compared: about n * n / 500 pairs instead of n * n / 2, and none is missed.

    Args:
        signs: `Survey.signs` of each picture, 32 bytes.
        thumbs: `Survey.thumb` of each picture.

    Returns:
        Two arrays of row numbers, the first of each pair below the second, sorted.
    """
    words = _words(signs)
    found: list[pl.DataFrame] = []
    for column in words.T:
        order = np.argsort(column, kind="stable")
        values = column[order]
        for mask in [0, *(1 << bit for bit in range(16))]:
            found += [_close(pairs, signs) for pairs in _sharing(values, order, np.uint16(mask))]
    pairs = pl.concat(found).unique().sort("first", "second") if found else _EMPTY
    first, second = pairs["first"].to_numpy(), pairs["second"].to_numpy()
    alike = _correlation(thumbs[first], thumbs[second]) >= LEAST_CORRELATION
    return first[alike], second[alike]


_EMPTY = pl.DataFrame(schema={"first": pl.Int64, "second": pl.Int64})


def _words(signs: UInt8[np.ndarray, "images bytes"]) -> UInt16[np.ndarray, "images words"]:
    """Bits dealt out to words in turn, so that each word has coarse and fine frequencies."""
    bits = np.unpackbits(signs, axis=1).reshape(len(signs), -1, WORDS).transpose(0, 2, 1)
    packed = np.packbits(bits, axis=2).astype(np.uint16)
    return packed[:, :, 0] << 8 | packed[:, :, 1]


def _sharing(
    values: UInt16[np.ndarray, " images"], order: Int64[np.ndarray, " images"], mask: np.uint16
) -> list[tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]]]:
    """Pairs whose words differ by exactly this mask, a few millions at a time."""
    low = np.searchsorted(values, values ^ mask, side="left")
    high = np.searchsorted(values, values ^ mask, side="right")
    counts = high - low
    steps = np.searchsorted(np.cumsum(counts), np.arange(0, int(counts.sum()) + ENOUGH, ENOUGH))
    parts = []
    for start, stop in pairwise(np.unique([0, *steps, len(values)])):
        count = counts[start:stop]
        if not count.any():
            continue
        left = np.repeat(np.arange(start, stop), count)
        within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
        right = np.repeat(low[start:stop], count) + within
        first, second = order[left], order[right]
        once = first < second
        parts.append((first[once], second[once]))
    return parts


def _close(
    pairs: tuple[Int64[np.ndarray, " pairs"], Int64[np.ndarray, " pairs"]], signs: UInt8[np.ndarray, "images bytes"]
) -> pl.DataFrame:
    first, second = pairs
    wide = np.ascontiguousarray(signs).view(np.uint64)
    differ = np.bitwise_count(wide[first] ^ wide[second]).sum(axis=1)
    near = differ <= MOST_BITS
    return pl.DataFrame({"first": first[near], "second": second[near]}, schema=_EMPTY.schema)


def _correlation(one: Int8[np.ndarray, "pairs thumb"], other: Int8[np.ndarray, "pairs thumb"]) -> np.ndarray:
    a, b = one.astype(np.float32), other.astype(np.float32)
    norm = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return np.asarray(np.einsum("ij,ij->i", a, b) / np.maximum(norm, 1e-9))
