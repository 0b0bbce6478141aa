"""{{ Entities_words }} as CSV, streamed."""

import csv
import io
from collections.abc import Iterable, Iterator

from app.models import {{ Entity }}Row

COLUMNS = [{% for f in fields %}"{{ f.name }}"{{ ", " if not loop.last }}{% endfor %}]


def _safe(value: object) -> str:
    """A spreadsheet must not run what somebody typed."""
    text = str(value)
    return "'" + text if text[:1] in "=+-@\t" else text


def lines(rows: Iterable[{{ Entity }}Row]) -> Iterator[str]:
    buffer = io.StringIO()
    writer = csv.writer(buffer)
    writer.writerow(COLUMNS)
    for row in rows:
        writer.writerow([_safe(getattr(row, column)) for column in COLUMNS])
        yield buffer.getvalue()
        buffer.seek(0)
        buffer.truncate()
