"""The work: read, check, act. Running it twice changes nothing the second time."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from .config import Config
from .{{ entity }} import Invalid, {{ Entity }}

Action = Callable[[{{ Entity }}], None]


@dataclass(slots=True)
class Outcome:
    done: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        return not self.rejected


def run(config: Config, act: Action, seen: set[str], dry_run: bool = False) -> Outcome:
    """Hands each new {{ entity_words }} to `act`. `seen` holds fingerprints of what was handled before."""
    outcome = Outcome()
    for path in _files(config):
        content = path.read_bytes()
        fingerprint = hashlib.sha256(content).hexdigest()
        if fingerprint in seen:
            outcome.unchanged.append(path.name)
            continue
        try:
            item = {{ Entity }}.parse(json.loads(content))
            if not dry_run:
                act(item)
                seen.add(fingerprint)
            outcome.done.append(path.name)
        except (Invalid, json.JSONDecodeError) as error:
            outcome.rejected[path.name] = str(error)
            if len(outcome.rejected) >= config.stop_after_failures:
                break
    return outcome


def _files(config: Config) -> Iterator[Path]:
    for count, path in enumerate(sorted(config.folder.glob(config.pattern))):
        if count >= config.max_files:
            return
        yield path
