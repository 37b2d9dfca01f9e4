"""What tests of the command share: a call of it, files for it, and what it has said."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest

from mlcore.cli.main import main

ASKED = {
    "4,4,4,4": "0",
    "3,0,9,-1": "13",
    "-3,0,9,-1": "7",
    "-7,-9,-2,8": "-8",
    "1,-2,3,-2": "8",
    "19,-12,0,-76": "107",
    "2001,-1,109,31": "2080",
    "-1,102,-200,1000": "-1303",
}
HOURS = "passed,hours\n" + "".join(f"{int(hours >= 14)},{hours}\n" for hours in range(2, 21, 2))
Run = Callable[..., tuple[int, str, str]]
Write = Callable[..., str]


@pytest.fixture(autouse=True)
def plain(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    def call(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def create(content: str | bytes, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return create


@pytest.fixture
def sums(write: Write) -> str:
    """Rows without a header: x1 - x2 + x3 - x4 and the four numbers."""
    rows = np.random.default_rng(0).integers(-9, 10, (50, 4))
    answers = rows @ [1, -1, 1, -1]
    return write("".join(",".join(map(str, [y, *row])) + "\n" for y, row in zip(answers, rows, strict=True)))


def said(text: str, name: str) -> str:
    """The line of the report that begins with a name."""
    (line,) = (line for line in text.splitlines() if line.startswith(name + " "))
    return line.removeprefix(name).strip()


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table whose header has a word."""
    lines = [line.split() for line in text.splitlines()]
    start = next(i for i, fields in enumerate(lines) if header in fields)
    rows = lines[start + 1 :]
    return rows[: next((i for i, fields in enumerate(rows) if not fields or len(fields) < len(lines[start])), None)]


def is_one_line(err: str) -> bool:
    return err.startswith("mlcore: error: ") and err.endswith("\n") and err.count("\n") == 1


def asked(rows: Sequence[str]) -> list[str]:
    return [argument for row in rows for argument in ("--predict", row)]


def csv_rows(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))
