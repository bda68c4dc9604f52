"""A run folder as training leaves it, tiny and random, and a checker of the pages made of it."""

import json
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import polars as pl

from mammoscope.evaluation import evaluate

VOID = {"meta", "img", "br", "link", "input", "hr"}


def cohort(patients: int, *, seed: int = 0) -> pl.DataFrame:
    rng = np.random.default_rng(seed)
    rows = []
    for patient in range(patients):
        part = "train" if patient % 5 < 3 else ("tune", "test")[patient % 2]
        age, density = int(rng.integers(40, 80)), "ABCD"[rng.integers(4)]
        for side in "LR":
            malignant = bool(rng.random() < (0.2 + 0.3 * (age > 60)))
            rows.extend(
                {
                    "source": "phantom",
                    "patient_id": f"P_{patient:05d}",
                    "image_id": f"P_{patient:05d}_{side}_{view}",
                    "laterality": side,
                    "view": view,
                    "part": part,
                    "malignant": malignant,
                    "age_years": float(age),
                    "implant": None,
                    "machine_id": str(rng.integers(1, 4)),
                    "site_id": None,
                    "density": density if rng.random() < 0.9 else None,
                    "mean_intensity": float(rng.random() + 0.1 * malignant),
                }
                for view in ("CC", "MLO")
            )
    return pl.DataFrame(rows, schema_overrides={"site_id": pl.String, "implant": pl.Boolean})


def write_run(
    folder: Path,
    *,
    patients: int = 60,
    signal: float = 1.6,
    name: str = "phantom-resnet18",
    fingerprint: str = "ab12" * 16,
) -> Path:
    """A run folder as training leaves it, tiny and random, then evaluated."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(len(name))
    table = cohort(patients)
    table.write_parquet(folder / "cohort.parquet")
    rows = table.filter(pl.col("part") != "train")
    truth = rows["malignant"].to_numpy()
    women = dict(zip(sorted(set(rows["patient_id"])), rng.normal(size=patients), strict=False))
    logit = signal * truth + 0.6 * np.array([women[p] for p in rows["patient_id"]]) + rng.normal(size=rows.height) - 0.9
    rows.with_columns(
        pl.Series("score", 1 / (1 + np.exp(-logit))),
        pl.col("malignant").cast(pl.Int8).alias("label"),
        (pl.col("patient_id") + "_" + pl.col("laterality")).alias("breast_id"),
    ).drop("malignant", "mean_intensity").write_parquet(folder / "predictions.parquet")
    counts = {p: table.filter(pl.col("part") == p) for p in ("train", "tune", "test")}
    facts = {
        "recipe.json": {
            "name": name,
            "source": "cbis_ddsm",
            "seed": 0,
            "split": {"kind": "official-repaired", "tune": 0.2},
            "model": {"kind": "timm", "backbone": "resnet18", "pretrained": None, "dropout": 0.2},
            "preprocess": {"rows": 512, "cols": 320, "crop": True},
            "stages": [{"epochs": 4, "lr": 0.001, "freeze": True}, {"epochs": 12, "lr": 0.0003}],
        },
        "environment.json": {
            "mammoscope": "0.1.0",
            "commit": "1b425d1",
            "python": "3.11.7",
            "device": "cpu",
            "threads": 2,
            "packages": {"torch": "2.15.0", "timm": "1.0.31"},
            "training_seconds": 214.7,
        },
        "audit.json": {
            "findings": [
                {
                    "severity": "warning",
                    "check": "conflicting density",
                    "image_id": None,
                    "patient_id": "P_00003",
                    "message": "two densities for one patient: B and C. Kept as they are",
                },
                {
                    "severity": "error",
                    "check": "split",
                    "image_id": "P_00007_L_CC",
                    "patient_id": "P_00007",
                    "message": "same bytes as <b>P_00009_L_CC</b> of another patient",
                },
            ],
            "counts": {"error": 1, "warning": 1},
        },
        "split.json": {
            "kind": "official-repaired",
            "seed": 0,
            "fingerprint": fingerprint,
            "patients": {p: t["patient_id"].n_unique() for p, t in counts.items()},
            "notes": ["4 patients of the test part were taken out of train"],
        },
        "flow.json": [["records", table.height + 31], ["images", table.height + 6], ["in the split", table.height + 1]],
        "prepare.json": {
            "prepared": table.height,
            "failed": [
                {"image_id": "P_00001_R_CC", "code": "truncated", "message": "pixel data ends after 1,024 bytes"}
            ],
            "seconds": 12.1,
            "preprocess": {},
        },
    }
    for file, content in facts.items():
        (folder / file).write_text(json.dumps(content))
    history = [
        {
            "epoch": epoch,
            "stage": 1 if epoch < 5 else 2,
            "train_loss": 0.7 * 0.92**epoch,
            "tune_loss": 0.69 * 0.95**epoch + 0.004 * max(0, epoch - 9) ** 1.4,
            "tune_auc": 0.82 - 0.3 * 0.8**epoch - 0.004 * max(0, epoch - 11),
            "lr": 0.001 if epoch < 5 else 0.0003 * (1 - (epoch - 5) / 13),
            "seconds": 9.8,
            "images_per_s": 51.0,
            "best": epoch <= 11,
        }
        for epoch in range(1, 17)
    ]
    (folder / "history.jsonl").write_text("".join(json.dumps(row) + "\n" for row in history))
    write_overlays(folder)
    evaluated(folder)
    return folder


def evaluated(folder: Path, *, replicates: int = 200) -> None:
    """Leave `metrics.json`, from the predictions and, where there is one, the cohort."""
    cohort_file = folder / "cohort.parquet"
    found = evaluate(
        pl.read_parquet(folder / "predictions.parquet"),
        cohort=pl.read_parquet(cohort_file) if cohort_file.is_file() else None,
        replicates=replicates,
    )
    (folder / "metrics.json").write_text(json.dumps(found.to_json()))


def write_overlays(folder: Path) -> None:
    (folder / "explanations").mkdir(exist_ok=True)
    rows = []
    y, x = np.mgrid[:224, :300] / 224
    for number, group in enumerate(["true positive", "true positive", "false positive", "false negative"], start=1):
        disc = np.exp(-((x - 0.2) ** 2 + (y - 0.5) ** 2) * 9)
        heat = np.exp(-((x - 0.95) ** 2 + (y - 0.3 - 0.1 * number) ** 2) * 60)
        picture = np.stack([disc, disc, disc + heat], axis=2)
        cv2.imwrite(str(folder / "explanations" / f"{number:02d}.png"), np.clip(picture * 200, 0, 255).astype(np.uint8))
        rows.append(
            {
                "image_id": f"P_{number:05d}_L_MLO",
                "label": int("true pos" in group or "false neg" in group),
                "score": 0.9 - 0.2 * number,
                "group": group,
                "file": f"explanations/{number:02d}.png",
                "method": "Grad-CAM",
                "layer": "last feature map",
                "note": "known lesion outlined" if number == 1 else "",
            }
        )
    (folder / "explanations.json").write_text(json.dumps(rows))


class Checker(HTMLParser):
    """Tags that do not close, pictures without words, addresses outside the page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.wrong: list[str] = []
        self.ids: list[str] = []
        self.feed(text)
        self.close()
        self.wrong += [f"not closed: {tag}" for tag in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if "id" in values:
            self.ids.append(str(values["id"]))
        if tag == "script":
            self.wrong.append("script")
        if tag == "img" and not values.get("alt"):
            self.wrong.append("img without alt")
        if tag == "svg" and not values.get("aria-label"):
            self.wrong.append("svg without label")
        for name in ("src", "href", "xlink:href"):
            if (address := values.get(name)) and not address.startswith(("#", "data:image/")):
                self.wrong.append(f"{tag} {name}={address}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.wrong.append(f"closes what is not open: {tag}")
