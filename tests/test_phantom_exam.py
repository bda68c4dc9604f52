"""Patients: both views agree, and labels follow the stated probability."""

import csv
from pathlib import Path

import numpy as np
import pytest

from mammoscope.phantom.cluster import Cluster
from mammoscope.phantom.exam import VIEWS, draw_patient, lesion_places
from mammoscope.phantom.mass import Mass
from mammoscope.phantom.outline import FIELD_MM, inward_mm
from mammoscope.vocabulary import Pathology

PEOPLE = [draw_patient(number, seed=11, difficulty=0.5) for number in range(1, 401)]
FINDINGS = [finding for patient in PEOPLE for finding in patient.findings]
MIXED = [
    finding
    for number in range(1, 401)
    for finding in draw_patient(number, seed=11, difficulty=0.5, calcifications=0.4).findings
]
SHAPES = {"ROUND", "OVAL", "LOBULATED", "IRREGULAR"}
MARGINS = {"CIRCUMSCRIBED", "OBSCURED", "MICROLOBULATED", "ILL_DEFINED", "SPICULATED"}
CALC_TYPES = {"ROUND_AND_REGULAR-LUCENT_CENTER", "PUNCTATE", "AMORPHOUS", "PLEOMORPHIC", "FINE_LINEAR_BRANCHING"}
DISTRIBUTIONS = {"REGIONAL", "CLUSTERED", "LINEAR"}


def test_a_patient_depends_on_her_number_and_the_seed_alone() -> None:
    assert draw_patient(3, seed=11, difficulty=0.5) == PEOPLE[2]
    assert draw_patient(3, seed=12, difficulty=0.5) != PEOPLE[2]
    assert PEOPLE[2].patient_id == "P_00003"


def test_difficulty_changes_labels_but_no_mass() -> None:
    easy = [finding.lesion for n in range(1, 30) for finding in draw_patient(n, seed=11, difficulty=0.1).findings]

    assert easy == [finding.lesion for patient in PEOPLE[:29] for finding in patient.findings]


def test_both_views_show_the_mass_at_the_same_depth_inside_the_breast() -> None:
    for finding in FINDINGS[:80]:
        places = lesion_places(finding.breast, lesion=finding.lesion)
        depths = [finding.breast.outline(view).nipple[0] - places[view][0] for view in VIEWS]

        assert depths[0] == pytest.approx(depths[1])
        for view in VIEWS:
            skin = inward_mm(finding.breast.outline(view).skin, rows=200, cols=130, spacing_mm=1.0)
            x, y = places[view]
            assert skin[int(y), int(x)] > 0.5 * finding.lesion.diameter_mm
            assert 0.5 * finding.lesion.diameter_mm < y < FIELD_MM[0] - 0.5 * finding.lesion.diameter_mm


def test_labels_are_drawn_from_the_stated_probability() -> None:
    chances = np.array([finding.p_malignant for finding in FINDINGS])
    labels = np.array([finding.malignant for finding in FINDINGS])

    for low in (0.0, 0.25, 0.5, 0.75):
        some = (chances >= low) & (chances < low + 0.25)
        expected, spread = chances[some].mean(), np.sqrt((chances[some] * (1 - chances[some])).sum()) / some.sum()
        assert labels[some].mean() == pytest.approx(expected, abs=3.5 * spread)


def test_the_size_says_nothing_of_the_label() -> None:
    size = np.array([finding.lesion.diameter_mm for finding in FINDINGS])
    labels = np.array([finding.malignant for finding in FINDINGS])

    assert abs(np.corrcoef(size, labels)[0, 1]) < 3.5 / np.sqrt(len(labels))


def test_the_reader_uses_the_words_of_the_archive() -> None:
    clustered = [finding for finding in MIXED if isinstance(finding.lesion, Cluster)]

    assert {finding.reading.descriptors[0] for finding in FINDINGS} == SHAPES
    assert {finding.reading.descriptors[1] for finding in FINDINGS} == MARGINS
    assert {finding.reading.descriptors[0] for finding in clustered} == CALC_TYPES
    assert {finding.reading.descriptors[1] for finding in clustered} == DISTRIBUTIONS
    assert {finding.reading.assessment for finding in FINDINGS} == {0, 2, 3, 4, 5}
    assert {finding.reading.subtlety for finding in FINDINGS} <= {1, 2, 3, 4, 5}
    assert {finding.pathology for finding in FINDINGS} == {
        Pathology.MALIGNANT,
        Pathology.BENIGN,
        Pathology.BENIGN_WITHOUT_CALLBACK,
    }


def test_calcifications_come_in_the_stated_share_and_leave_the_other_patients_alone() -> None:
    share = np.mean([isinstance(finding.lesion, Cluster) for finding in MIXED])
    masses = {finding.breast.key: finding for finding in MIXED if isinstance(finding.lesion, Mass)}

    assert share == pytest.approx(0.4, abs=0.1)
    assert all(masses[finding.breast.key] == finding for finding in FINDINGS if finding.breast.key in masses)


def test_the_words_for_a_cluster_follow_its_width_and_the_line_of_its_specks() -> None:
    clusters = [finding for finding in MIXED if isinstance(finding.lesion, Cluster)]
    words = {finding.reading.descriptors[1] for finding in clusters}

    assert words <= DISTRIBUTIONS
    for finding in clusters:
        if finding.reading.descriptors[1] == "LINEAR":
            assert finding.lesion.suspicion > 0.4
        else:
            wide = finding.lesion.diameter_mm > 20
            assert finding.reading.descriptors[1] == ("REGIONAL" if wide else "CLUSTERED")


@pytest.mark.data
def test_the_real_tables_know_these_words(real_data: Path) -> None:
    with (real_data / "cbis_ddsm_csv" / "mass_case_description_train_set.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))

    with (real_data / "cbis_ddsm_csv" / "calc_case_description_train_set.csv").open(newline="") as file:
        calcs = list(csv.DictReader(file))

    assert {row["mass shape"] for row in rows} >= SHAPES
    assert {row["mass margins"] for row in rows} >= MARGINS
    assert {row["calc type"] for row in calcs} >= CALC_TYPES
    assert {row["calc distribution"] for row in calcs} >= DISTRIBUTIONS
