"""Progress on stderr: a bar for whoever waits in front of a terminal, now and then a line for a log."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from mammoscope.training import Moment

EVERY_S = 10.0  # between two lines


@contextmanager
def counted(what: str) -> Iterator[Callable[[int, int], None]]:
    """A bar for work on many files, with files a second and the time left; call what it gives with (done, all)."""
    with _bar() as progress:
        task = progress.add_task(what, total=None, note="")
        start = said = time.monotonic()

        def told(done: int, total: int) -> None:
            nonlocal said
            now = time.monotonic()
            note = pace(done, total, seconds=now - start)
            progress.update(task, completed=done, total=total, note=note)
            if not progress.console.is_terminal and (now - said > EVERY_S or (done == total and said > start)):
                said = now
                progress.console.print(f"{what} {note}", highlight=False)

        yield told


def pace(done: int, total: int, *, seconds: float) -> str:
    """How far work on files is, how fast, and when it will be done if it goes on so.

    Example:
        >>> pace(300, 1200, seconds=60.0)
        '300/1200, 5.0 files/s, 3 min 0 s left'
    """
    rate = done / seconds if seconds > 0 else 0.0
    text = f"{done}/{total}, {rate:.1f} files/s" if rate else f"{done}/{total}"
    return text if done == total or not rate else f"{text}, {_spoken((total - done) / rate)} left"


def _spoken(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


@contextmanager
def epochs() -> "Iterator[Callable[[Moment], None]]":
    """A bar for training: steps over all epochs, loss, tune AUC, time left."""
    with _bar(TimeRemainingColumn(elapsed_when_finished=True)) as progress:
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


def _bar(*columns: TimeRemainingColumn) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(bar_width=20),
        TaskProgressColumn(),
        *columns,
        TextColumn("{task.fields[note]}"),
        console=Console(stderr=True),
    )
