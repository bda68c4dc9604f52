"""Same key, same mapping; other key, other mapping; dates keep order and intervals."""

import stat
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.uid import UID

from mammoscope.deid import Key, key_of
from mammoscope.deid.key import LEAST_DAYS, MOST_DAYS
from mammoscope.deid.values import DUMMIES, shifted
from mammoscope.errors import RecipeError, StorageError

ONE, OTHER = Key(secret=bytes(32)), Key(secret=bytes([1] * 32))
DATES = st.dates(min_value=date(1930, 1, 1), max_value=date(2100, 1, 1))


@given(st.text(min_size=1, max_size=64))
def test_the_mapping_depends_on_key_and_text_alone(text: str) -> None:
    again = Key(secret=bytes(32))

    assert (ONE.uid(text), ONE.pseudonym(text), ONE.days(text)) == (
        again.uid(text),
        again.pseudonym(text),
        again.days(text),
    )
    assert ONE.uid(text) != OTHER.uid(text)
    assert ONE.pseudonym(text) != OTHER.pseudonym(text)
    assert UID(ONE.uid(text)).is_valid
    assert len(ONE.pseudonym(text)) == len(ONE.accession(text)) == 13  # of at most 16
    assert LEAST_DAYS <= -ONE.days(text) <= MOST_DAYS


def test_the_uid_of_a_worked_example_is_the_first_half_of_the_keyed_hash() -> None:
    import hmac

    digest = hmac.new(bytes(32), b"uid\x001.2.3", "sha256").digest()

    assert ONE.uid("1.2.3") == f"2.25.{int.from_bytes(digest[:16], 'big')}"


def test_a_key_does_not_show_itself() -> None:
    assert "00" not in repr(ONE)


def test_a_key_file_is_drawn_once_and_for_its_owner(tmp_path: Path) -> None:
    first, second = key_of(tmp_path / "key"), key_of(tmp_path / "key")

    assert first == second
    assert stat.S_IMODE((tmp_path / "key").stat().st_mode) == 0o600
    assert key_of(tmp_path / "other") != first


@pytest.mark.parametrize("content", [b"", b"secret", b"00" * 31, b"\xff" * 64])
def test_a_file_that_holds_no_key_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "key").write_bytes(content)

    with pytest.raises(RecipeError, match="key: holds no key"):
        key_of(tmp_path / "key")


def test_a_key_that_cannot_be_written_is_an_error_of_ours(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match="key: could not be"):
        key_of(tmp_path / "file" / "key")


@given(DATES, DATES, st.integers(-3650, -365))
def test_intervals_between_dates_stay(one: date, other: date, days: int) -> None:
    moved = [str(shifted(f"{day:%Y%m%d}", vr="DA", days=days)) for day in (one, other)]
    first, second = (date(int(text[:4]), int(text[4:6]), int(text[6:])) for text in moved)

    assert second - first == other - one
    assert first - one == timedelta(days=days)


@given(DATES, st.sampled_from(["", "23", "235959", "235959.123456", "2359-0500"]))
def test_a_moment_moves_by_days_and_keeps_its_time(day: date, rest: str) -> None:
    assert shifted(f"{day:%Y%m%d}{rest}", vr="DT", days=-1) == f"{day - timedelta(days=1):%Y%m%d}{rest}"


@pytest.mark.parametrize(
    ("value", "vr", "moved"),
    [
        ("2024", "DT", "2023"),  # as precise as it was
        ("202403", "DT", "202402"),
        ("2024.03.01", "DA", "20240229"),  # ACR-NEMA
        (["20240301", ""], "DA", ["20240229", ""]),
        ("00010101", "DA", None),
        ("20241301", "DA", None),
        ("20240301 GIVENNAME", "DA", None),
        ("20240301GIVENNAME", "DT", None),
        ("120000.5", "TM", "120000.5"),
        ("12:00 GIVENNAME", "TM", None),
    ],
)
def test_odd_dates_move_or_are_no_dates(value: object, vr: str, moved: object) -> None:
    assert shifted(value, vr=vr, days=-1) == moved


def test_there_is_a_dummy_for_every_vr_but_sequences_and_uids() -> None:
    from pydicom.valuerep import VR

    assert {vr.value for vr in VR if len(vr.value) == 2} - set(DUMMIES) == {"SQ", "UI"}
