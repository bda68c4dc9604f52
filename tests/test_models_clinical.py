"""Clinical columns: fitted on the training part, never a guess in silence."""

import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from mammoscope.errors import RecipeError, SourceError
from mammoscope.models.clinical import CLINICAL_COLUMNS, ClinicalEncoding, ClinicalSettings, encode, fit_clinical
from mammoscope.records import COLUMNS, READER_COLUMNS
from mammoscope.vocabulary import Density, View

SHAPES = ("OVAL", "ROUND", "IRREGULAR", "IRREGULAR-ARCHITECTURAL_DISTORTION", "LOBULATED", None)


def table(rows: int = 200, *, seed: int = 0) -> pl.DataFrame:
    """Rows as a cohort has them, with empty cells in every column."""
    draw = np.random.default_rng(seed)

    def some(values: tuple[object, ...], chances: list[float] | None = None) -> list[object]:
        return [values[at] for at in draw.choice(len(values), rows, p=chances)]

    columns = {
        "age_years": [None if draw.random() < 0.2 else float(draw.integers(30, 90)) for _ in range(rows)],
        "implant": some((True, False, None)),
        "view": some(("CC", "MLO", "XCCL", None), [0.5, 0.4, 0.02, 0.08]),
        "density": some((*Density, None)),
        "assessment": some((0, 2, 4, 5, None)),
        "subtlety": some((1, 2, 3, 4, 5, None)),
        "lesion_shape": some(SHAPES, [0.4, 0.3, 0.2, 0.01, 0.05, 0.04]),
    }
    return pl.DataFrame(columns, schema={name: COLUMNS[name] for name in columns})


EVERY = tuple(table(1).columns)


def test_with_the_mode_it_is_scikit_learns_imputer_scaler_and_one_hot() -> None:
    train, other = table(seed=1), table(seed=2)
    numbers, flags, names = ("age_years", "subtlety"), ("implant",), ("view", "density", "assessment", "lesion_shape")

    def plain(rows: pl.DataFrame) -> np.ndarray:
        parts = [rows[name].cast(pl.Float64).to_list() for name in (*numbers, *flags)]
        parts += [rows[name].cast(pl.String).to_list() for name in names]
        cells = np.empty((rows.height, len(parts)), dtype=object)
        for at, part in enumerate(parts):
            cells[:, at] = [np.nan if value is None else value for value in part]
        return cells

    one_hot = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False)
    theirs = ColumnTransformer(
        [
            ("numbers", make_pipeline(SimpleImputer(strategy="most_frequent"), StandardScaler()), [0, 1]),
            ("flags", SimpleImputer(strategy="most_frequent"), [2]),
            ("names", make_pipeline(SimpleImputer(strategy="most_frequent"), one_hot), [3, 4, 5, 6]),
        ]
    ).fit(plain(train))
    chosen = ClinicalSettings(columns=(*numbers, *flags, *names), missing="mode", reader=True)

    encoding = fit_clinical(train, chosen)

    for rows in (train, other):
        np.testing.assert_allclose(encode(encoding, rows), theirs.transform(plain(rows)).astype(float), atol=1e-6)
    assert "lesion_shape (other)" in encoding.names
    assert not any("unknown" in name for name in encoding.names)


def test_an_empty_number_is_the_mean_with_a_flag_as_scikit_learn_marks_it() -> None:
    train, other = table(seed=1), table(seed=2)
    theirs = SimpleImputer(strategy="mean", add_indicator=True).fit(train.select("age_years").to_numpy())
    encoding = fit_clinical(train, ClinicalSettings(columns=("age_years",)))

    ours = encode(encoding, other)

    filled = theirs.transform(other.select("age_years").to_numpy())
    ages = train["age_years"].drop_nulls().to_numpy()
    np.testing.assert_allclose(ours[:, 0], (filled[:, 0] - ages.mean()) / ages.std(), atol=1e-6)
    np.testing.assert_array_equal(ours[:, 1], filled[:, 1])


def test_an_empty_cell_is_unknown_never_the_first_value() -> None:
    train = pl.DataFrame({"implant": [True, False, None], "view": ["CC", None, "MLO"]})
    encoding = fit_clinical(train, ClinicalSettings(columns=("implant", "view"), rare=1))

    out = encode(encoding, pl.DataFrame({"implant": [None], "view": [None]}))

    assert encoding.names == ("implant", "implant (unknown)", "view=CC", "view=MLO", "view (unknown)")
    assert out.tolist() == [[0.5, 1.0, 0.0, 0.0, 1.0]]


@pytest.mark.parametrize(
    ("shapes", "missing", "expected"),
    [
        (["OVAL"] * 6 + ["ROUND"] * 5 + [None] + ["LOBULATED"], "unknown", "lesion_shape (other)"),
        (["OVAL"] * 6 + ["ROUND"] * 5 + [None], "unknown", "lesion_shape (unknown)"),
        (["OVAL"] * 6 + ["ROUND"] * 5 + [None], "mode", "lesion_shape=OVAL"),
        (["OVAL"] * 6 + ["ROUND"] * 5, "unknown", None),
    ],
)
def test_a_value_never_met_is_another_one_or_as_an_empty_cell(
    shapes: list[str | None], missing: str, expected: str | None
) -> None:
    chosen = ClinicalSettings(columns=("lesion_shape",), missing=missing, reader=True)
    encoding = fit_clinical(pl.DataFrame({"lesion_shape": shapes}), chosen)

    out = encode(encoding, pl.DataFrame({"lesion_shape": ["ROUND-LOBULATED"]}))[0]

    assert [name for name, value in zip(encoding.names, out, strict=True) if value] == ([expected] if expected else [])


def test_combined_shapes_are_values_of_their_own_and_rare_ones_one_together() -> None:
    shapes = ["OVAL"] * 6 + ["OVAL-LYMPH_NODE"] * 5 + ["ROUND"] * 4 + ["IRREGULAR"]

    encoding = fit_clinical(
        pl.DataFrame({"lesion_shape": shapes}), ClinicalSettings(columns=("lesion_shape",), reader=True)
    )

    assert encoding.names == ("lesion_shape=OVAL", "lesion_shape=OVAL-LYMPH_NODE", "lesion_shape (other)")
    assert encode(encoding, pl.DataFrame({"lesion_shape": shapes})).sum(axis=0).tolist() == [6, 5, 5]


def test_the_vocabularys_own_other_is_not_the_column_of_rare_values() -> None:
    kinds = ["other"] * 6 + ["mass"] * 6 + ["asymmetry"]

    encoding = fit_clinical(
        pl.DataFrame({"lesion_kind": kinds}), ClinicalSettings(columns=("lesion_kind",), reader=True)
    )

    assert encoding.names == ("lesion_kind=mass", "lesion_kind=other", "lesion_kind (other)")


def test_assessment_is_no_number_because_zero_is_not_below_one() -> None:
    train = pl.DataFrame({"assessment": [0, 4, 5, 4]})

    encoding = fit_clinical(train, ClinicalSettings(columns=("assessment",), rare=1, reader=True))

    assert encoding.names == ("assessment=0", "assessment=4", "assessment=5")


@given(seed=st.integers(0, 10**6), rows=st.integers(8, 60), missing=st.sampled_from(["unknown", "mode"]))
@settings(max_examples=30)
def test_encoded_rows_are_finite_and_stand_for_themselves(seed: int, rows: int, missing: str) -> None:
    train = table(rows, seed=seed).vstack(table(60, seed=7))
    encoding = fit_clinical(train, ClinicalSettings(columns=EVERY, missing=missing, reader=True))
    other = table(20, seed=seed + 1)
    before = other.clone()

    out = encode(encoding, other)

    assert out.dtype == np.float32
    assert out.shape == (20, len(encoding.names))
    assert np.isfinite(out).all()
    assert len(set(encoding.names)) == len(encoding.names)
    np.testing.assert_array_equal(out[::-1], encode(encoding, other[::-1]))
    assert other.equals(before)


def test_in_the_training_part_each_value_has_one_column_and_numbers_are_standard() -> None:
    train = table()
    encoding = fit_clinical(train, ClinicalSettings(columns=EVERY, reader=True))

    out = encode(encoding, train)

    at = {name: position for position, name in enumerate(encoding.names)}
    for column in ("view", "density", "assessment", "lesion_shape"):
        mine = [position for name, position in at.items() if name.startswith((f"{column}=", f"{column} ("))]
        assert set(out[:, mine].sum(axis=1)) == {1.0}
    known = out[train["age_years"].is_not_null().to_numpy(), at["age_years"]]
    assert known.mean() == pytest.approx(0, abs=1e-5)
    assert known.std() == pytest.approx(1, abs=1e-5)


def test_an_encoding_comes_back_from_json() -> None:
    train = table()
    encoding = fit_clinical(train, ClinicalSettings(columns=EVERY, reader=True))

    again = ClinicalEncoding.model_validate_json(encoding.model_dump_json())

    assert again == encoding
    np.testing.assert_array_equal(encode(again, train), encode(encoding, train))


def test_what_a_reader_filled_in_is_refused_unless_the_recipe_says_so() -> None:
    with pytest.raises(ValueError, match=r"\['density', 'subtlety'\] were filled in by a radiologist.*scoring the rad"):
        ClinicalSettings(columns=("age_years", "density", "subtlety"))
    for name in READER_COLUMNS:
        assert ClinicalSettings(columns=(name,), reader=True).columns == (name,)


@pytest.mark.parametrize("name", sorted({*COLUMNS} - {*CLINICAL_COLUMNS}))
def test_answers_names_and_paths_are_no_clinical_columns(name: str) -> None:
    with pytest.raises(ValidationError, match=f"'{name}' is not one of age_years, implant"):
        ClinicalSettings(columns=(name,), reader=True)


def test_wrong_settings_are_refused_with_the_nearest() -> None:
    with pytest.raises(ValidationError, match="did you mean 'age_years'"):
        ClinicalSettings(columns=("age_year",))
    with pytest.raises(ValidationError, match="named twice"):
        ClinicalSettings(columns=("view", "view"))
    with pytest.raises(ValidationError, match="at least 1 item"):
        ClinicalSettings(columns=())
    with pytest.raises(ValidationError, match="Extra inputs"):
        ClinicalSettings(columns=("view",), rarely=3)


def test_a_column_that_is_not_there_or_empty_is_refused() -> None:
    chosen = ClinicalSettings(columns=("age_years",))
    encoding = fit_clinical(pl.DataFrame({"age_years": [40.0, 50.0]}), chosen)

    with pytest.raises(RecipeError, match="the table has no column 'age_years'"):
        fit_clinical(pl.DataFrame({"view": ["CC"]}), chosen)
    with pytest.raises(RecipeError, match="'age_years' is empty in all 2 training rows"):
        fit_clinical(pl.DataFrame({"age_years": [None, math.nan]}), chosen)
    with pytest.raises(SourceError, match=r"the table has no \['age_years'\]"):
        encode(encoding, pl.DataFrame({"view": ["CC"]}))


def test_cells_of_another_type_are_refused() -> None:
    with pytest.raises(SourceError, match="'view' is not Enum"):
        fit_clinical(pl.DataFrame({"view": ["CC", "cranial"]}), ClinicalSettings(columns=("view",)))


def test_numbers_that_are_not_finite_count_as_empty_and_one_constant_is_zero() -> None:
    encoding = fit_clinical(
        pl.DataFrame({"age_years": [0.1, 0.1, 0.1, math.inf]}), ClinicalSettings(columns=("age_years",))
    )

    out = encode(encoding, pl.DataFrame({"age_years": [0.1, math.nan, -math.inf, None]}))

    np.testing.assert_allclose(out, [[0, 0], [0, 1], [0, 1], [0, 1]], atol=1e-7)


def test_no_rows_are_encoded_as_no_rows() -> None:
    encoding = fit_clinical(table(), ClinicalSettings(columns=EVERY, reader=True))

    assert encode(encoding, table().clear()).shape == (0, len(encoding.names))


def test_every_clinical_column_of_an_index_can_be_fitted() -> None:
    cells = {"age_years": 50.0, "implant": True, "laterality": "L", "view": View.CC, "density": "A", "tissue": "F"}
    cells |= {"assessment": 4, "subtlety": 3, "lesion_kind": "mass"}
    row = {name: [cells.get(name, "X")] for name in CLINICAL_COLUMNS}
    train = pl.DataFrame(row, schema={name: COLUMNS[name] for name in CLINICAL_COLUMNS})

    encoding = fit_clinical(train, ClinicalSettings(columns=CLINICAL_COLUMNS, rare=1, reader=True))

    assert {name.partition("=")[0] for name in encoding.names} == set(CLINICAL_COLUMNS)
