"""The command `{{ package }}`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from . import __version__
from .config import Unusable, load
from .pipeline import run
from .report import details, sentence
from .{{ entity }} import {{ Entity }}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="{{ package }}", description="{{ short }}")
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument("--config", type=Path, default=Path("config.toml"))
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="look at the configuration")
    commands.add_parser("run", help="do the work").add_argument("--dry-run", action="store_true")
    arguments = parser.parse_args(argv)
    try:
        config = load(arguments.config)
    except Unusable as mistakes:
        print(mistakes, file=sys.stderr)
        return 2
    if arguments.command == "check":
        print("The configuration is fine.")
        return 0
    outcome = run(config, _show, seen=set(), dry_run=arguments.dry_run)
    print(sentence(outcome))
    for line in details(outcome):
        print(line, file=sys.stderr)
    return 0 if outcome.ok else 1


def _show(item: {{ Entity }}) -> None:
    print(item)


if __name__ == "__main__":
    raise SystemExit(main())
