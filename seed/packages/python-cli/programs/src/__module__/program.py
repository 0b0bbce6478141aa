"""Starts other programs: only those listed, with a list of arguments, never through a shell."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence

ALLOWED = frozenset({"pg_dump", "pg_restore", "psql", "age"})


class Failed(RuntimeError):
    """The program ended badly; the message is what it said last."""


def start(name: str, arguments: Sequence[str], timeout_seconds: int = 3600) -> str:
    if name not in ALLOWED:
        raise Failed(f"{name} is not on the list of programs this tool may start")
    result = subprocess.run([name, *arguments], capture_output=True, text=True, timeout=timeout_seconds, check=False)
    if result.returncode != 0:
        raise Failed(result.stderr.strip().splitlines()[-1] if result.stderr.strip() else f"{name} ended with {result.returncode}")
    return result.stdout
