"""The configuration, with all of its mistakes reported at once."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path


class Unusable(ValueError):
    """The configuration cannot be used; one line per mistake."""


@dataclass(frozen=True, slots=True)
class Config:
    folder: Path
    pattern: str
    max_files: int
    stop_after_failures: int
    report_to: str
    quiet_when_nothing_happened: bool


def load(path: Path) -> Config:
    try:
        raw = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        raise Unusable(f"there is no {path}; copy config.example.toml to get started") from None
    except tomllib.TOMLDecodeError as error:
        raise Unusable(f"{path} is not valid TOML: {error}") from None
    source, limits, report = raw.get("source", {}), raw.get("limits", {}), raw.get("report", {})
    mistakes = []
    if not source.get("folder"):
        mistakes.append("[source] folder is missing: where do the {{ entities_words }} come from?")
    if "@" not in report.get("to", ""):
        mistakes.append("[report] to should be an e-mail address")
    if mistakes:
        raise Unusable("\n".join(mistakes))
    return Config(
        folder=Path(source["folder"]).expanduser(),
        pattern=source.get("pattern", "*.json"),
        max_files=int(limits.get("max_files", 10_000)),
        stop_after_failures=int(limits.get("stop_after_failures", 25)),
        report_to=report["to"],
        quiet_when_nothing_happened=bool(report.get("only_when_something_happened", True)),
    )
