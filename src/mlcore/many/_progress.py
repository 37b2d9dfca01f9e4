"""A bar on a terminal for calls with many fits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import perf_counter


@contextmanager
def progress_bar(what: str, total: int, wanted: bool) -> Iterator[Callable[[int, int], None] | None]:
    """A bar on stderr within the block; None unless it is wanted and stderr is a terminal.

    What it gives takes the number of models that are done, and how many of them failed.
    """
    if not wanted:
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield None
        return
    columns = (TextColumn(what), BarColumn(), TextColumn("{task.fields[state]}"), TimeElapsedColumn())
    start = perf_counter()
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=total, state="")

        def show(done: int, failed: int) -> None:
            rate = done / max(perf_counter() - start, 1e-9)
            state = f"{done:,} of {total:,} groups, {rate:,.0f} models a second, {failed:,} failed"
            bar.update(task, completed=done, state=state)

        yield show
