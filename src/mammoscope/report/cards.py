"""What a paper, a reviewer or a model hub asks of a finished run: model card and reporting checklists."""

import json
from pathlib import Path
from typing import Any

from mammoscope import __version__
from mammoscope.errors import SourceError
from mammoscope.report.answers import OPEN, Answer, held, plain
from mammoscope.report.answers_classes import ONLY_BINARY
from mammoscope.report.answers_data import known_sources
from mammoscope.report.answers_results import estimate_words, subgroup_rows, warnings_of
from mammoscope.report.checklists import GUIDELINES, STATUS, answers_of, as_markdown, cell, filled
from mammoscope.report.class_words import SHORT, class_metrics, class_paragraph, is_classes, rows_words
from mammoscope.report.folder import RunFiles, read_run
from mammoscope.report.page import rendered, usable_metrics
from mammoscope.report.words import METRIC_NAMES, Facts, interval, metric_words, number, paragraph, percent
from mammoscope.storage import write_text

FOLDER = "cards"
MINUS = "\N{MINUS SIGN}"
HUB = {"auc": "roc_auc", "macro_auc": "roc_auc"}
"""Metric to its name on the Hugging Face hub, where it differs from ours."""
OUT_OF_SCOPE = (
    "care: nobody may be recalled, reassured or treated by a score",
    "pictures that were not prepared as the model's were: use `read_mammogram` with the `preprocess` of bundle.json",
    "women, machines and ways of working that the data below do not contain: nothing is known of them",
    "scores read as chances of cancer; with a calibrator, only where positives are as common as in its tune part",
)


def write_cards(run: Path) -> list[Path]:
    """Write model card and checklists of a run into `cards/` of its folder, and the card into its bundle.

    Every statement comes from the files of the folder, none is made up: what they do not say is left open, in words.

    Args:
        run: The run folder.

    Returns:
        What was written: `model-card.md`, a Markdown file a checklist, `checklists.html` with all of them, and
        `bundle/README.md`, the same card, where there is a bundle.

    Raises:
        SourceError: There is no such folder.
        StorageError: The folder cannot be written.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     [path.name for path in write_cards(Path(folder))]
        ['model-card.md', 'claim-2024.md', 'tripod-ai-2024.md', 'stard-ai-2025.md', 'checklists.html']
    """
    if not run.is_dir():
        raise SourceError(
            f"{run.name}: no such run folder. Make one with: mammoscope run RECIPE --data FOLDER --out RUN"
        )
    files = read_run(run)
    answers = answers_of(files)
    card = run_card(files, answers)
    lists = [filled(key, answers) for key in GUIDELINES]
    texts = {run / FOLDER / "model-card.md": card}
    texts |= {run / FOLDER / f"{one.key}.md": as_markdown(one) for one in lists}
    texts[run / FOLDER / "checklists.html"] = rendered(
        "checklists.html.j2", title=_name(files), checklists=lists, status=STATUS, mark=OPEN.capitalize()
    )
    if (run / "bundle" / "bundle.json").is_file():
        texts[run / "bundle" / "README.md"] = card
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def run_card(files: RunFiles, answers: dict[str, Answer]) -> str:
    """The model card of a run, in Markdown with the header of the Hugging Face hub.

    Args:
        files: The run folder.
        answers: What `answers_of` gave.

    Returns:
        The card. It has the same sections whatever the run lacks.

    Source:
        Mitchell et al., Model Cards for Model Reporting, FAT* 2019: the sections.
    """
    metrics = usable_metrics(files)
    known = metrics if isinstance(metrics, dict) else None
    lines = [
        *_header(files, known),
        f"# {cell(_name(files))}",
        "",
        f"*For research. Not a medical device. Written by mammoscope {__version__} from the files of its run folder.*",
        "",
        cell(class_paragraph(known) if is_classes(known) else paragraph(known)) if known else _gap(answers["auc"]),
        "",
        "## Use",
        "",
        *_said("Intended", answers["intended"]),
        f"- **A score near 1 says**: {cell(_meaning(files))}",
        "- **Out of scope**:",
        *(f"  - {text}" for text in OUT_OF_SCOPE),
        "",
    ]
    for title, names in SECTIONS.items():
        said = [line for name, key in names.items() for line in _said(name, answers[key])]
        lines += [f"## {title}", "", *said, *([""] if said else []), *_more(title, files, known)]
    return "\n".join([*lines, *_gaps(answers), ""])


SECTIONS = {
    "Data": {
        "Source": "source",
        "Licence": "licence",
        "Labels": "labels",
        "Taken": "eligibility",
        "Flow": "flow",
        "Split": "split",
        "Disjoint": "disjoint",
        "Women and images": "characteristics",
        "Audit": "audit",
    },
    "Training": {
        "Network": "network",
        "Start": "initial",
        "Input": "preprocess",
        "Settings": "training",
        "Chosen": "selection",
        "Software": "software",
    },
    "Evaluation": {"Intervals": "uncertainty", "Baselines": "baselines", "Sealed test": "sealed"},
    "Threshold": {"Rule": "threshold", "Calls": "calls", "In screening": "clinical"},
    "Calibration": {"Test part": "calibration", "Share of positives": "prevalence"},
    "Subgroups": {},  # a table
    "Limits": {"Robustness": "robustness", "Other data": "external"},
    "Reproduce": {"Commands": "reproduce", "Code and weights": "code"},
}
"""Sections of the card: name of a line to the question it answers."""


def _header(files: RunFiles, metrics: dict[str, Any] | None) -> list[str]:
    lines = ["---", "library_name: mammoscope", "pipeline_tag: image-classification"]
    lines += ["tags: [mammography, research-only]"]
    key = metrics.get("primary", "auc") if metrics else "auc"
    value = metrics["units"][metrics["headline"]]["test"][key]["value"] if metrics else None
    if metrics is not None and value is not None:
        of, told = f"{SHORT[key]} per {metrics['headline']}", number(value).replace(MINUS, "-")
        name = json.dumps(f"read as {', '.join(_source_names(files))}, test part")
        lines += [
            "model-index:",
            f"  - name: {json.dumps(_name(files))}",
            "    results:",
            "      - task: {type: image-classification}",
            f"        dataset: {{name: {name}, type: mammograms}}",
            f"        metrics: [{{type: {HUB.get(key, key)}, name: {of}, value: {told}}}]",
        ]
    return [*lines, "---"]


def _source_names(files: RunFiles) -> list[str]:
    try:
        return list(known_sources(files))
    except (KeyError, TypeError):
        return ["unknown"]


def _name(files: RunFiles) -> str:
    recipe = files.recipe
    name = recipe.get("name") if isinstance(recipe, dict) else None
    return plain(name) if name else files.folder.resolve().name


def _meaning(files: RunFiles) -> str:
    try:
        text = (files.folder / "bundle" / "bundle.json").read_text(encoding="utf-8")
        return str(held(json.loads(text))["meaning"])
    except (OSError, ValueError, KeyError, TypeError):
        return f"{OPEN}: there is no bundle in the run folder; made by `mammoscope train`"


def _said(name: str, answer: Answer) -> list[str]:
    if answer.text is None:
        return [f"- **{name}**: {_gap(answer)}"]
    first, *more = answer.text.splitlines()
    return [f"- **{name}**: {cell(first)}", *(f"  - {cell(line)}" for line in more)]


def _gap(answer: Answer) -> str:
    return f"*{cell(f'{OPEN}: {answer.why}')}*"


def _more(title: str, files: RunFiles, metrics: dict[str, Any] | None) -> list[str]:
    """What a section has beyond its lines."""
    match title:
        case "Evaluation" if metrics:
            return [*_numbers(metrics), ""]
        case "Subgroups":
            return [*_subgroups(files, metrics), ""]
        case "Limits" if metrics:
            lost = [f"no result per {unit}: {why}" for unit, why in metrics["unavailable"].items()]
            return [*(f"- {cell(text)}" for text in [*warnings_of(metrics), *lost]), ""]
        case _:
            return []


def _numbers(metrics: dict[str, Any]) -> list[str]:
    level = percent(metrics["confidence"])
    units = metrics["units"]
    if is_classes(metrics):
        return _class_numbers(metrics, level=level)
    sizes = {name: found["test"]["auc"] for name, found in units.items()}
    heads = [f"per {name} (n {size['n']:,}, {size['positives']:,} positive)" for name, size in sizes.items()]
    lines = [
        f"Test part, {level} intervals over patients ({next(iter(sizes.values()))['patients']:,} patients).",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for key in METRIC_NAMES:
        found = [unit["test"].get(key) for unit in units.values()]
        if any(one and one["value"] is not None for one in found):
            name = metric_words(key, targets=metrics.get("targets"))
            lines.append(f"| {name} | " + " | ".join(_number(one) for one in found) + " |")
    return lines


def _class_numbers(metrics: dict[str, Any], *, level: str) -> list[str]:
    units = metrics["units"]
    heads = [f"per {name} ({rows_words(found['test']['accuracy'], unit=name)})" for name, found in units.items()]
    lines = [
        f"Test part, {level} intervals over patients.",
        "",
        "| | " + " | ".join(heads) + " |",
        "|---|" + "---|" * len(heads),
    ]
    for key, name in class_metrics(metrics).items():
        found = [unit["test"].get(key) for unit in units.values()]
        lines.append(f"| {name} | " + " | ".join(_number(one) for one in found) + " |")
    result = units[metrics["headline"]]
    lines += ["", f"Label (rows) by call (columns), per {metrics['headline']}:", ""]
    lines += [
        "| | " + " | ".join(cell(name) for name in result["classes"]) + " |",
        "|---|" + "---|" * len(result["classes"]),
    ]
    for name, counts in zip(result["classes"], result["confusion"], strict=True):
        lines.append(f"| {cell(name)} | " + " | ".join(f"{count:,}" for count in counts) + " |")
    return lines


def _number(estimate: Facts | None) -> str:
    if not estimate or estimate["value"] is None:
        return "-"
    ends = interval(estimate)
    return f"{number(estimate['value'])} ({ends})" if ends else f"{number(estimate['value'])} (no interval)"


def _subgroups(files: RunFiles, metrics: dict[str, Any] | None) -> list[str]:
    if metrics and is_classes(metrics):
        return [f"*{OPEN.capitalize()}: subgroups: {ONLY_BINARY}*"]
    found = metrics.get("subgroups") if metrics else None
    if not isinstance(found, dict):
        return [f"*{OPEN.capitalize()}: metrics.json has no subgroups; made by `mammoscope evaluate`*"]
    level = percent(found["confidence"])
    lines = [f"| Factor | Group | n | positive | ROC AUC per {found['unit']} |", "|---|---|---|---|---|"]
    for factor in found["factors"]:
        for group in factor["groups"]:
            auc = estimate_words(group["metrics"]["auc"], level=level)
            cells = (factor["name"], str(group["name"]), f"{group['n']:,}", f"{group['positives']:,}", auc)
            lines.append("| " + " | ".join(cell(text) for text in cells) + " |")
    lines += ["", *(f"- {cell(row)}" for row in subgroup_rows(files))]
    why = [f"{name} ({reason})" for name, reason in found["unavailable"].items()]
    return [*lines, *([f"- *{OPEN.capitalize()}: {cell('; '.join(why))}*"] if why else [])]


def _gaps(answers: dict[str, Answer]) -> list[str]:
    open_ones = [f"- {cell(one.why)}" for one in answers.values() if one.text is None]
    always = "- Licence of the weights; who made and who maintains the model; ethics; funding"
    return ["## Not answered by the run", "", always, *dict.fromkeys(open_ones)]
