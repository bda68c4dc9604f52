"""`mammoscope similar`: who can be a neighbour, what is kept, and what is shown."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from click.testing import Result
from typer.testing import CliRunner

from mammoscope.cli import app
from mammoscope.errors import BundleError, RecipeError, SourceError
from mammoscope.models import Bundle, build
from mammoscope.pipeline import class_prototypes, similar_cases
from mammoscope.pipeline.embedding import embed_run
from mammoscope.vocabulary import Part
from small_runs import small_run

if TYPE_CHECKING:
    from mammoscope.pipeline import Work


@pytest.fixture(scope="module")
def run(work: "Work", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of single pictures."""
    return small_run(work, tmp_path_factory.mktemp("similar") / "image", input={"unit": "image"})


def part_of(run: Path, part: Part) -> pl.DataFrame:
    cohort = pl.read_parquet(run / "cohort.parquet")
    return cohort.filter(pl.col("part").cast(pl.String) == part.value)


def file_of(work: "Work", row: dict) -> Path:
    return work.index.file(row["source"], row["path"])


def cli(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_neighbours_are_training_pictures_and_never_of_the_same_patient(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    own = part_of(run, Part.TRAIN).row(0, named=True)

    found = similar_cases(run, [file_of(work, own)], cache=work.cache, out=tmp_path, most=500)

    (query,) = found["queries"]
    train = part_of(run, Part.TRAIN)
    others = train.filter(pl.col("patient_id") != own["patient_id"])["image_id"].to_list()
    assert sorted(one["image_id"] for one in query["neighbours"]) == sorted(others)
    assert "this patient is in the training part" in query["note"]
    distances = [one["distance"] for one in query["neighbours"]]
    assert distances == sorted(distances)
    assert sum(query["shares"].values()) == pytest.approx(1.0)
    assert query["image_id"] == own["image_id"]


def test_a_file_of_the_data_set_is_embedded_as_its_prepared_picture_was(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    embedded = embed_run(run, cache=work.cache)
    at = int(embedded.of_part(Part.TUNE)[0])
    row = part_of(run, Part.TUNE).filter(pl.col("image_id") == embedded.table["image_id"][at]).row(0, named=True)

    found = similar_cases(run, [file_of(work, row)], cache=work.cache, out=tmp_path)

    (query,) = found["queries"]
    own = next(iter(embedded.chances[at : at + 1]))
    assert list(query["scores"].values()) == pytest.approx(own.tolist(), abs=1e-6)
    assert query["farther_than_tune"] < 1
    assert query["patient_known"]


def test_a_file_of_nobody_knows_says_so_and_a_named_patient_is_left_out(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    own = part_of(run, Part.TRAIN).row(0, named=True)
    copy = tmp_path / "copy.dcm"
    copy.write_bytes(file_of(work, own).read_bytes())

    stranger = similar_cases(run, [copy], cache=work.cache, out=tmp_path)["queries"][0]
    named = similar_cases(run, [copy], cache=work.cache, out=tmp_path, patient=own["patient_id"])["queries"][0]

    assert stranger["nearest"] == pytest.approx(0, abs=1e-6)
    assert "whose file it is is not known" in stranger["note"]
    assert "it may be a copy of this file" in stranger["note"]
    assert own["image_id"] not in {one["image_id"] for one in named["neighbours"]}


def test_embeddings_are_computed_once_and_never_taken_from_other_weights(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    first = embed_run(run, cache=work.cache)
    kept = set((run / "embeddings").iterdir())
    again = embed_run(run, cache=tmp_path)  # no prepared picture is needed for what is kept

    bundle = Bundle.from_pretrained(run / "bundle")
    before = {name: (run / "bundle" / name).read_bytes() for name in ("bundle.json", "model.safetensors", "README.md")}
    Bundle(manifest=bundle.manifest, network=build(bundle.manifest.design, seed=9)).save_pretrained(run / "bundle")
    other = embed_run(run, cache=work.cache)
    hidden = embed_run(run, cache=work.cache, layer="hidden")
    for name, content in before.items():
        (run / "bundle" / name).write_bytes(content)

    assert np.array_equal(first.vectors, again.vectors)
    assert np.abs(first.vectors - other.vectors).max() > 1e-3
    assert hidden.vectors.shape == other.vectors.shape
    assert len(set((run / "embeddings").iterdir()) - kept) == 2
    assert Part.TEST.value not in first.table["part"].unique().to_list()


def test_what_is_missing_is_named(run: Path, work: "Work", tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"prepared pictures of its train and tune part are not in the cache"):
        embed_run(run, cache=tmp_path, layer="network.stack.1")
    with pytest.raises(RecipeError, match="layer 'poled': the network has no such layer; did you mean 'pooled'"):
        embed_run(run, cache=work.cache, layer="poled")
    with pytest.raises(SourceError, match=r"has no split.json"):
        embed_run(tmp_path, cache=work.cache)
    (tmp_path / "bundle").mkdir()
    (tmp_path / "bundle" / "ensemble.json").write_text("{}")
    with pytest.raises(BundleError, match="several networks answer together"):
        embed_run(tmp_path, cache=work.cache)


def test_prototypes_are_training_samples_of_their_class_and_two_runs_agree(
    run: Path, work: "Work", tmp_path: Path
) -> None:
    found = class_prototypes(run, cache=work.cache, out=tmp_path, count=2)
    again = class_prototypes(run, cache=work.cache, out=tmp_path, count=2)

    labels = dict(part_of(run, Part.TRAIN).select("image_id", "malignant").rows())
    assert found == again
    for group in found["classes"]:
        assert {labels[one["image_id"]] for one in group["prototypes"]} == {group["class"] == "yes"}
        assert sum(one["share"] for one in group["prototypes"]) == pytest.approx(1.0)
    page = (tmp_path / "prototypes.html").read_text()
    assert page.count("<img") == sum(len(group["prototypes"]) for group in found["classes"])


def test_breasts_are_compared_as_wholes(work: "Work", tmp_path: Path) -> None:
    run = small_run(work, tmp_path / "breast", input={"unit": "breast"})
    rows = part_of(run, Part.TEST)
    one = rows.filter(pl.col("sample_id") == rows["sample_id"][0])
    folder = tmp_path / "exam"
    folder.mkdir()
    for number, row in enumerate(one.iter_rows(named=True)):
        (folder / f"{number}.dcm").write_bytes(file_of(work, row).read_bytes())

    found = similar_cases(run, [folder], cache=work.cache, out=tmp_path / "out", most=3)

    assert {query["file"].split()[0] for query in found["queries"]} == {"exam"}
    assert {len(query["neighbours"]) for query in found["queries"]} == {3}
    assert all(len(one["files"]) >= 1 for query in found["queries"] for one in query["neighbours"])


def test_the_command_leaves_a_page_that_needs_nothing_else(run: Path, work: "Work", tmp_path: Path) -> None:
    files = [file_of(work, row) for row in part_of(run, Part.TEST).head(2).iter_rows(named=True)]
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")

    done = cli("similar", run, *files, broken, "--cache", work.cache, "--most", 3, "--out", tmp_path / "out", "--json")

    found = json.loads(done.stdout)
    page = (tmp_path / "out" / "similar.html").read_text()
    assert done.exit_code == 1
    assert json.loads((tmp_path / "out" / "similar.json").read_text()) == found
    assert [bool(query["code"]) for query in found["queries"]] == [False, False, True]
    assert page.count("<img") == 2 * (1 + 3)
    own = re.findall(r'class="query"><div class="frame"><img src="([^"]+)"', page.replace("\n", ""))
    assert len(set(own)) == 2  # files of equal names have pictures of their own
    assert "://" not in page
    assert 'src="data:' in page


@pytest.mark.parametrize("words", [["similar", "RUN"], ["similar", "RUN", "FILE", "--prototypes", "2"]])
def test_files_or_prototypes_are_asked_for_and_not_both(words: list[str]) -> None:
    done = cli(*words)

    assert done.exit_code == 2
    assert "or --prototypes and no files" in " ".join(done.output.split())
