"""Arguments that several verbs share."""

from pathlib import Path
from typing import Annotated

import typer

AsJson = Annotated[bool, typer.Option("--json", help="print the answer as JSON")]
IndexFile = Annotated[Path, typer.Argument(help="index.parquet, as `mammoscope index` writes it", metavar="INDEX")]
RecipeName = Annotated[
    str, typer.Argument(help="a TOML file, or the name of a recipe that comes with mammoscope", metavar="RECIPE")
]
RunFolder = Annotated[Path, typer.Argument(help="run folder, as `mammoscope train` or `run` makes it", metavar="RUN")]
OutFolder = Annotated[Path, typer.Option("--out", help="run folder to make or to go on with")]
Root = Annotated[
    Path | None, typer.Option("--root", help="folder the data set lies in now, if it has moved since it was indexed")
]
Cache = Annotated[Path | None, typer.Option("--cache", help="folder of prepared pictures [default: beside --out]")]
Workers = Annotated[
    int | None, typer.Option("--workers", min=0, help="guarded processes [default: one per processor]; 0: none")
]
Slices = Annotated[
    bool, typer.Option("--slices", help="each slice of tomosynthesis volumes by itself; other files as they are")
]
Device = Annotated[str, typer.Option("--device", help="cpu, cuda, cuda:1, mps or auto")]
Track = Annotated[
    list[str] | None,
    typer.Option(
        "--track",
        help="tensorboard (in the run folder) or mlflow (MLFLOW_TRACKING_URI, else mlflow.db beside --out): show the "
        "curves there, too; may be given twice",
    ),
]
BreakSeal = Annotated[
    bool, typer.Option("--break-seal", help="go beyond the budget of a sealed test set; its ledger will say so")
]
DataFolder = Annotated[Path, typer.Option("--data", help="folder the recipe's data set was unpacked in")]
StartRun = Annotated[Path | None, typer.Option("--start", help="where the recipe has a start: the run to begin with")]
StartFolder = Annotated[
    Path | None,
    typer.Option("--start", help="run or bundle to begin with, for a recipe with `start`; the run of that name beside"),
]
