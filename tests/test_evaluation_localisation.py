"""FROC and the pointing game: by hand, against a loop over marks and lesions, properties, refusals."""

import json

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mammoscope.errors import RecipeError, SourceError
from mammoscope.evaluation import Hit, evaluate_marks, patient_draws

IMAGES = pl.DataFrame({"image_id": ["a", "b", "c", "d"], "patient_id": ["1", "1", "2", "3"]})
LESIONS = pl.DataFrame(
    {
        "image_id": ["a", "b", "c"],
        "lesion_id": ["1", "1", "1"],
        "x_min": [10, 10, 50],
        "y_min": [10, 10, 50],
        "x_max": [20, 20, 60],
        "y_max": [20, 20, 60],
    }
)
MARKS = pl.DataFrame(
    {
        "image_id": ["a", "a", "a", "b", "c", "d"],
        "x": [15, 20, 80, 90, 52, 40],
        "y": [15, 20, 80, 90, 59, 40],
        "score": [0.5, 0.8, 0.6, 0.9, 0.4, 0.7],
    }
)


def found(**changes: object):
    settings = {"lesions": LESIONS, "images": IMAGES, "replicates": 20, "per_image": (0.25, 0.5, 0.75, 1.0)} | changes
    return evaluate_marks(settings.pop("marks", MARKS), **settings)


def test_each_count_by_hand() -> None:
    """Lesion a is found at 0.8, by its corner, and c at 0.4; b is not. Beside lesions: 0.9 on b, 0.7 on d, 0.6 on a."""
    got = found()

    assert (got.images, got.images_without_lesion, got.lesions, got.marks, got.false_positives) == (4, 1, 3, 6, 3)
    values = [got.froc[rate].value for rate in ("0.25", "0.5", "0.75", "1", "mean")]
    assert values == pytest.approx([1 / 3, 1 / 3, 2 / 3, 2 / 3, 0.5])
    assert got.pointing.value == pytest.approx(2 / 3)  # highest marks: on a yes, on b no, on c yes
    assert (got.pointing.n, got.froc["1"].n, got.froc["1"].positives, got.froc["1"].patients) == (3, 4, 3, 3)
    assert got.curve.x == (0, 0.25, 0.25, 0.5, 0.75, 0.75)
    assert got.curve.y == pytest.approx((0, 0, 1 / 3, 1 / 3, 1 / 3, 2 / 3), abs=1e-6)


def test_a_lesion_on_two_views_may_count_once() -> None:
    got = found(either_view=True)

    assert got.lesions == 2
    assert [got.froc[rate].value for rate in ("0.25", "0.75")] == [0.5, 1.0]


def test_false_positives_may_be_counted_on_images_without_lesion_alone() -> None:
    got = found(denominator="images without lesion")

    assert got.false_positives == 1
    assert [got.froc[rate].value for rate in ("0.25", "1")] == pytest.approx([1 / 3, 2 / 3])


@pytest.mark.parametrize(
    ("box", "iou", "hits"),
    [
        ((10, 10, 20, 20), 1.0, True),
        ((10, 10, 20, 15), 0.5, True),
        ((10, 10, 20, 15), 0.51, False),
        ((15, 10, 25, 20), 1 / 3, True),  # 50 shared of 150
        ((15, 10, 25, 20), 0.34, False),
        ((20, 10, 30, 20), 0.01, False),  # they touch
    ],
)
def test_boxes_by_their_overlap(box: tuple, iou: float, hits: bool) -> None:  # noqa: FBT001
    marks = pl.DataFrame(
        [{"image_id": "a", "score": 0.5, **dict(zip(["x_min", "y_min", "x_max", "y_max"], box, strict=True))}]
    )

    got = found(marks=marks, hit=Hit(iou=iou))

    assert got.froc["1"].value == pytest.approx(hits / 3)
    assert "of their union" in got.hit


def test_a_margin_makes_a_lesion_larger() -> None:
    marks = pl.DataFrame({"image_id": ["a"], "x": [23], "y": [15], "score": [0.5]})

    assert found(marks=marks).froc["1"].value == 0
    assert found(marks=marks, hit=Hit(margin_px=3)).froc["1"].value == pytest.approx(1 / 3)


def test_of_equally_high_marks_pointing_takes_the_share() -> None:
    marks = pl.DataFrame({"image_id": ["a", "a"], "x": [15, 90], "y": [15, 90], "score": [0.5, 0.5]})

    assert found(marks=marks).pointing.value == pytest.approx(0.5 / 3)


def table(seed: int) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    rng = np.random.default_rng(seed)
    images = pl.DataFrame({"image_id": [str(i) for i in range(24)], "patient_id": [f"p{i // 3}" for i in range(24)]})
    corner = rng.integers(0, 60, (14, 2))
    lesions = pl.DataFrame(
        {
            "image_id": [str(i) for i in rng.integers(0, 24, 14)],
            "lesion_id": [str(i) for i in range(14)],
            "x_min": corner[:, 0],
            "y_min": corner[:, 1],
            "x_max": corner[:, 0] + 30,
            "y_max": corner[:, 1] + 30,
        }
    )
    marks = pl.DataFrame(
        {
            "image_id": [str(i) for i in rng.integers(0, 24, 60)],
            "x": rng.integers(0, 90, 60),
            "y": rng.integers(0, 90, 60),
            "score": np.round(rng.random(60), 1),
        }
    )
    return images, lesions, marks


def looped(
    images: pl.DataFrame, lesions: pl.DataFrame, marks: pl.DataFrame, counts: dict[str, int], rate: float
) -> float:
    """Sensitivity with at most so many false positives an image: try every threshold, walk every mark and lesion."""
    times = {row["image_id"]: counts[row["patient_id"]] for row in images.to_dicts()}
    total = sum(times[row["image_id"]] for row in lesions.to_dicts())
    best = 0.0
    for cut in sorted({*marks["score"], 2.0}):
        false, hit = 0, set()
        for mark in marks.filter(pl.col("score") >= cut).to_dicts():
            on = [
                number
                for number, row in enumerate(lesions.to_dicts())
                if row["image_id"] == mark["image_id"]
                and row["x_min"] <= mark["x"] <= row["x_max"]
                and row["y_min"] <= mark["y"] <= row["y_max"]
            ]
            hit |= set(on)
            false += 0 if on else times[mark["image_id"]]
        if false <= rate * sum(times.values()) + 1e-9:
            best = max(best, sum(times[lesions["image_id"][number]] for number in hit))
    return best / total if total else np.nan


@pytest.mark.parametrize("seed", [0, 1])
def test_value_and_interval_are_those_of_a_loop_on_the_same_draws(seed: int) -> None:
    images, lesions, marks = table(seed)
    patients = sorted(set(images["patient_id"]))
    draws = np.concatenate(list(patient_draws(len(patients), replicates=8, seed=0)), axis=1)

    got = evaluate_marks(marks, lesions=lesions, images=images, per_image=(0.5,), replicates=8).froc["0.5"]

    once = dict.fromkeys(patients, 1)
    expected = [looped(images, lesions, marks, dict(zip(patients, map(int, c), strict=True)), 0.5) for c in draws.T]
    assert got.value == pytest.approx(looped(images, lesions, marks, once, 0.5))
    assert (got.low, got.high) == pytest.approx(tuple(np.nanquantile(expected, [0.025, 0.975])))


@given(st.integers(0, 50), st.randoms(use_true_random=False))
@settings(max_examples=15)
def test_neither_order_nor_an_increasing_transform_of_scores_changes_anything(seed: int, random) -> None:
    images, lesions, marks = table(seed)
    order = list(range(marks.height))
    random.shuffle(order)

    first = evaluate_marks(marks, lesions=lesions, images=images, replicates=8)
    second = evaluate_marks(
        marks[order].with_columns(pl.col("score") ** 3 * 7 - 2), lesions=lesions.reverse(), images=images, replicates=8
    )

    for name, one in {**first.froc, "pointing": first.pointing}.items():
        other = {**second.froc, "pointing": second.pointing}[name]
        assert (one.value, one.low, one.high) == pytest.approx((other.value, other.low, other.high)), name


def test_more_false_positives_never_find_less() -> None:
    images, lesions, marks = table(3)

    values = [e.value for name, e in evaluate_marks(marks, lesions=lesions, images=images, replicates=5).froc.items()]

    assert values[:-1] == sorted(values[:-1])


def test_nothing_marked_and_nothing_to_find_say_so() -> None:
    unmarked = found(marks=MARKS.head(0))
    healthy = found(lesions=LESIONS.head(0))
    diseased = found(images=IMAGES.head(3), marks=MARKS.head(5), denominator="images without lesion")

    assert unmarked.froc["1"].value == unmarked.pointing.value == 0
    assert "no mark at all: nothing was found" in unmarked.warnings
    assert (healthy.froc["1"].value, healthy.froc["1"].reason) == (None, "no lesion")
    assert healthy.pointing.reason == "no image with a lesion"
    assert diseased.froc["mean"].reason == "no image without lesion"
    assert "3 lesions; with fewer than 10 intervals are not to be trusted" in diseased.warnings
    for got in (unmarked, healthy, diseased):
        json.dumps(got.to_json(), allow_nan=False)


def test_marks_that_all_score_alike_are_told_of() -> None:
    assert "one operating point" in "; ".join(found(marks=MARKS.with_columns(score=pl.lit(1.0))).warnings)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"marks": MARKS.drop("score")}, r"marks: columns \['score'\] are missing"),
        ({"marks": MARKS.drop("x")}, r"marks: columns \['x_min', .* are missing"),
        ({"marks": MARKS.with_columns(score=pl.lit(float("nan")))}, r"marks: row 1: score nan is not a number"),
        ({"marks": MARKS.with_columns(x=pl.lit(None))}, r"marks: row 1: x None is not a number"),
        ({"marks": MARKS.with_columns(image_id=pl.lit("z"))}, r"marks: row 1: image_id 'z' is not among the images"),
        ({"marks": MARKS.with_columns(patient_id=pl.lit("2"))}, r"patient_id '2' is not that of the image"),
        ({"marks": MARKS, "hit": Hit(iou=0.5)}, r"marks: columns \['x_min', .* are missing"),
        ({"lesions": LESIONS.drop("x_max")}, r"lesions: columns \['x_max'\] are missing"),
        ({"lesions": LESIONS.drop("lesion_id"), "either_view": True}, r"lesions: columns \['lesion_id'\] are missing"),
        ({"lesions": pl.concat([LESIONS, LESIONS])}, r"lesions: row 1: lesion_id '1' stands twice on its image"),
        ({"lesions": LESIONS.with_columns(x_max=pl.lit(5))}, r"lesions: row 1: x_min 10.0 is above x_max"),
        ({"images": pl.concat([IMAGES, IMAGES])}, r"images: row 1: image_id 'a' stands twice"),
        ({"images": IMAGES.with_columns(patient_id=pl.lit(""))}, r"images: row 1: patient_id '' is empty"),
        ({"images": IMAGES.head(0)}, r"images: there are none"),
    ],
)
def test_tables_that_cannot_be_measured_are_refused(changes: dict, says: str) -> None:
    with pytest.raises(SourceError, match=says):
        found(**changes)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Hit(iou=0.0), r"iou must be in \(0, 1\], got 0.0"),
        (lambda: Hit(margin_px=-1), "margin_px must be 0 or more"),
        (lambda: Hit(iou=0.5, margin_px=3), "0 with iou, got 3"),
        (lambda: found(per_image=()), "per_image must be numbers above 0, got none"),
        (lambda: found(per_image=(0.0, 1.0)), "got 0.0, 1.0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(make, says: str) -> None:
    with pytest.raises(RecipeError, match=says):
        make()
