"""Exit codes, messages, help."""

import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mammoscope.cli import app, main

VERBS = "sources index audit split prepare train evaluate explain report predict run demo".split()


def program(*words: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", "from mammoscope.cli import main; main()", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_help_names_every_verb_and_never_imports_torch() -> None:
    code = (
        "import sys\nfrom mammoscope.cli import main\ntry:\n    main()\nfinally:\n    assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code, "--help"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    assert [verb for verb in VERBS if f"  {verb}" not in done.stdout] == []


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_explains_itself(verb: str) -> None:
    done = CliRunner().invoke(app, [verb, "--help"])

    assert done.exit_code == 0
    assert len(done.stdout) > 150


def test_version() -> None:
    import mammoscope

    assert CliRunner().invoke(app, ["--version"]).stdout.strip() == mammoscope.__version__


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["index", "rsna", "gone"], "gone: no such folder"),
        (["index", "rsma", "."], "'rsma'"),
        (["audit", "gone.parquet"], "gone.parquet: no such index"),
        (["report", "gone"], "gone"),
        (["evaluate", "gone"], "gone: has no recipe.json. Make it with"),
        (["predict", "gone", "a.dcm"], "gone: is not a bundle"),
        (["run", "gone.toml", "--data", ".", "--out", "out"], "gone.toml: no such recipe"),
        (["run", "nothing-like-it", "--data", ".", "--out", "out"], "no recipe 'nothing-like-it'"),
        (["run", "rsna-resnet18", "--data", ".", "--out", "out"], "train.csv"),
        (["compare", "gone"], "2 to 12 are allowed"),
        (["explain", "gone"], "gone"),
        (["nonsense"], "No such command"),
        (["index"], "Missing argument"),
    ],
)
def test_misuse_is_a_sentence_and_exit_code_2(
    words: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["mammoscope", *words])

    with pytest.raises(SystemExit) as stopped:
        main()

    errors = capsys.readouterr().err
    assert stopped.value.code == 2
    assert said in errors
    assert "Traceback" not in errors


def test_a_pipe_that_is_closed_early_is_no_traceback() -> None:
    command = f"{sys.executable} -c 'from mammoscope.cli import main; main()' sources | head -1"

    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)

    assert "Traceback" not in done.stderr
