"""Progress bars, on stderr, for whoever waits in front of a terminal."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from mammoscope.training import Moment


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work on many files; call what it gives with (done, all)."""
    with _bar() as progress:
        task = progress.add_task(what, total=None, note="")

        def told(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, note=f"{done}/{total}")

        yield told


@contextmanager
def epochs() -> "Iterator[Callable[[Moment], None]]":
    """A bar for training: steps over all epochs, loss, tune AUC, time left."""
    with _bar() as progress:
        task = progress.add_task("training ", total=None, note="")
        auc = ""

        def told(moment: "Moment") -> None:
            nonlocal auc
            if moment.tune_auc is not None:
                auc = f" tune AUC {moment.tune_auc:.3f}"
            done = (moment.epoch - 1) * moment.steps + moment.step
            note = f"epoch {moment.epoch}/{moment.epochs} loss {moment.train_loss:.4f}{auc}"
            progress.update(task, completed=done, total=moment.epochs * moment.steps, note=note)
            if moment.tune_auc is not None and not progress.console.is_terminal:
                progress.console.print(note)

        yield told


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        TimeRemainingColumn(elapsed_when_finished=True),
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )
