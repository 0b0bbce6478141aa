"""{{ Entities_words }} as CSV for people with spreadsheets."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, fields
from pathlib import Path

from .{{ entity }} import {{ Entity }}


def write(path: Path, items: Iterable[{{ Entity }}]) -> int:
    """Writes all of them and returns how many there were."""
    count = 0
    with path.open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.writer(file)
        writer.writerow([column.name for column in fields({{ Entity }})])
        for item in items:
            writer.writerow(["'" + str(value) if str(value)[:1] in "=+@" else value for value in astuple(item)])
            count += 1
    return count
