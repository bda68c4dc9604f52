"""Faults planted at random: every one is found, and nothing else is."""

import io
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from mammoscope.cohort import audit, read_pixels, repair
from mammoscope.records import Index, Record, index_of
from mammoscope.vocabulary import Density, Laterality, Pathology, View

GENERAL = {
    "class-balance",
    "counts",
    "few-patients",
    "interval-width",
    "reader-columns",
    "assessment-auc",
    "label-origin",
}
PATIENTS = 8


def film(seed: int, side: Laterality) -> np.ndarray:
    """A half disc of smooth random tissue with its chest wall on the usual side."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[:160, :112]
    breast = ((y - 80) / 70) ** 2 + (x / 90) ** 2 < 1
    coarse = cv2.resize(
        generator.uniform(60, 220, (20, 14)).astype(np.float32), (112, 160), interpolation=cv2.INTER_CUBIC
    )
    picture = np.where(breast, np.clip(coarse + generator.normal(0, 4, breast.shape), 30, 255), 0).astype(np.uint8)
    return picture if side is Laterality.LEFT else np.ascontiguousarray(picture[:, ::-1])


def png(picture: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG")
    return buffer.getvalue()


@dataclass
class Cohort:
    """Sound records and files, which faults are planted in."""

    root: Path
    records: list[Record]

    def index(self) -> Index:
        return index_of(self.records, roots={"own": self.root})

    def change(self, at: int, **facts: object) -> None:
        self.records[at] = replace(self.records[at], **facts)  # type: ignore[arg-type]

    def file(self, at: int) -> Path:
        return self.root / self.records[at].path

    def id(self, at: int) -> str:
        return self.records[at].image_id


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Cohort:
    root, records = tmp_path_factory.mktemp("sound"), []
    for patient in range(PATIENTS):
        for side in Laterality:
            for view in (View.CC, View.MLO):
                name = f"{patient}_{side}_{view}"
                (root / f"{name}.png").write_bytes(png(film(len(records), side)))
                records.append(
                    Record(
                        source="own",
                        patient_id=f"p{patient}",
                        image_id=name,
                        path=f"{name}.png",
                        exam_id=f"e{patient}",
                        laterality=side,
                        view=view,
                        age_years=50.0,
                        density=Density.B,
                        malignant=patient % 2 == 0,
                        pathology=Pathology.MALIGNANT if patient % 2 == 0 else Pathology.BENIGN,
                        lesion_id="1",
                        lesion_x0=1.0,
                        lesion_y0=1.0,
                        lesion_x1=9.0,
                        lesion_y1=9.0,
                    )
                )
    return Cohort(root=root, records=records)


Planted = set[tuple[str, str | None]]
"""Check and image (None: the patient) of each finding that a fault must give."""


def missing(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).unlink()
    return {("missing-file", cohort.id(at))}


def empty(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).write_bytes(b"")
    return {("empty-file", cohort.id(at))}


def truncated(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).write_bytes(cohort.file(at).read_bytes()[:-60])
    return {("truncated-file", cohort.id(at))}


def damaged(cohort: Cohort, at: int) -> Planted:
    content = bytearray(cohort.file(at).read_bytes())
    content[60:200] = bytes(140)
    cohort.file(at).write_bytes(bytes(content))
    return {("unreadable-file", cohort.id(at))}


def a_web_page(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).write_bytes(b"<html>please log in</html>")
    return {("wrong-format", cohort.id(at))}


def blank(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).write_bytes(png(np.full((160, 112), 7 + at, dtype=np.uint8)))
    return {("blank-picture", cohort.id(at))}


def inverted(cohort: Cohort, at: int) -> Planted:
    cohort.file(at).write_bytes(png(255 - film(at, cohort.records[at].laterality or Laterality.LEFT)))
    return {("inverted-background", cohort.id(at))}


def mirrored(cohort: Cohort, at: int) -> Planted:
    other = Laterality.RIGHT if cohort.records[at].laterality is Laterality.LEFT else Laterality.LEFT
    cohort.file(at).write_bytes(png(film(at, other)))
    return {("side-in-pixels", cohort.id(at))}


def renamed(cohort: Cohort, at: int) -> Planted:
    other = View.MLO if cohort.records[at].view is View.CC else View.CC
    name = f"odd{at}_{other}.png"
    cohort.file(at).rename(cohort.root / name)
    cohort.change(at, path=name)
    return {("view-in-name", cohort.id(at))}


def relabelled(cohort: Cohort, at: int) -> Planted:
    """Its pathology, its lesion on the other view and its breast all say otherwise."""
    cohort.change(at, malignant=not cohort.records[at].malignant)
    return {("label-and-pathology", cohort.id(at)), ("lesion-labels", None), ("contradictory-labels", None)}


def denser(cohort: Cohort, at: int) -> Planted:
    cohort.change(at, density=Density.D)
    return {("density-conflict", None)}


def older(cohort: Cohort, at: int) -> Planted:
    cohort.change(at, age_years=70.0)
    return {("age-conflict", None)}


def left_of_the_picture(cohort: Cohort, at: int) -> Planted:
    cohort.change(at, lesion_x0=-4.0)
    return {("lesion-outside", cohort.id(at))}


def below_the_picture(cohort: Cohort, at: int) -> Planted:
    cohort.change(at, lesion_y1=900.0)
    return {("lesion-outside", cohort.id(at))}


def recompressed(cohort: Cohort, at: int) -> Planted:
    """The next patient's picture of the same view, once more as JPEG."""
    source = (at + 4) % len(cohort.records)
    buffer = io.BytesIO()
    Image.fromarray(film(source, cohort.records[at].laterality or Laterality.LEFT)).save(buffer, "JPEG", quality=80)
    cohort.change(at, path=f"again{at}.jpg")
    cohort.file(at).write_bytes(buffer.getvalue())
    return {
        ("near-copy-patients", max(cohort.id(at), cohort.id(source), key=[r.image_id for r in cohort.records].index))
    }


def copied(cohort: Cohort, at: int) -> Planted:
    """The next patient's file of the same view: the two patients differ in their label."""
    source = (at + 4) % len(cohort.records)
    shutil.copyfile(cohort.file(source), cohort.file(at))
    return {("same-bytes-contradictory", cohort.id(one)) for one in (at, source)}


FAULTS: list[Callable[[Cohort, int], Planted]] = [
    missing, empty, truncated, damaged, a_web_page, blank, inverted, mirrored, renamed, relabelled, denser, older,
    left_of_the_picture, below_the_picture, recompressed, copied,
]  # fmt: skip

plans = st.lists(
    st.tuples(st.sampled_from(FAULTS), st.integers(0, 3)), max_size=PATIENTS // 2, min_size=0
)  # a fault a pair of patients, in one of the four views of the first


def planted(cohort: Cohort, plan: list[tuple[Callable[[Cohort, int], Planted], int]]) -> Planted:
    wanted: Planted = set()
    for pair, (fault, view) in enumerate(plan):
        at = 8 * pair + view
        wanted |= {
            (check, image if image is not None else f"patient {cohort.records[at].patient_id}")
            for check, image in fault(cohort, at)
        }
    return wanted


def found(cohort: Cohort) -> Planted:
    index = cohort.index()
    table = audit(index, duplicates=True, pixels=read_pixels(index, workers=0)).table
    rows = table.filter(~pl.col("check").is_in(list(GENERAL)))
    return {(row["check"], row["image_id"] or f"patient {row['patient_id']}") for row in rows.iter_rows(named=True)}


def copy_of(sound: Cohort, folder: Path) -> Cohort:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(sound.root, folder)
    return Cohort(root=folder, records=[*sound.records])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(plans)
def test_every_planted_fault_is_found_and_nothing_else(
    sound: Cohort, tmp_path: Path, plan: list[tuple[Callable[[Cohort, int], Planted], int]]
) -> None:
    cohort = copy_of(sound, tmp_path / "planted")

    wanted = planted(cohort, plan)

    assert found(cohort) == wanted


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.__name__)
def test_each_fault_is_found_alone(sound: Cohort, tmp_path: Path, fault: Callable[[Cohort, int], Planted]) -> None:
    cohort = copy_of(sound, tmp_path / "planted")

    wanted = planted(cohort, [(fault, 1)])

    assert found(cohort) == wanted


def test_after_the_repair_only_what_needs_a_guess_is_left(sound: Cohort, tmp_path: Path) -> None:
    cohort = copy_of(sound, tmp_path / "planted")
    planted(cohort, [(missing, 0), (blank, 1), (copied, 2), (relabelled, 3)])
    index = cohort.index()
    found_before = audit(index, duplicates=True, pixels=read_pixels(index, workers=0))
    before = {path.name: path.read_bytes() for path in cohort.root.iterdir()}

    mended, changes = repair(index, findings=found_before)

    again = audit(mended, duplicates=True, pixels=read_pixels(mended, workers=0))
    assert {one.change for one in changes} == {"dropped"}
    assert index.table.height - mended.table.height == len(changes) == 4
    assert set(again.table.filter(pl.col("severity") == "error")["check"]) == {"label-and-pathology"}
    assert before == {path.name: path.read_bytes() for path in cohort.root.iterdir()}
