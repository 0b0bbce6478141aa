"""What happened, in words."""

from __future__ import annotations

from .pipeline import Outcome


def sentence(outcome: Outcome) -> str:
    done, rejected = len(outcome.done), len(outcome.rejected)
    if not done and not rejected:
        return "Nothing new."
    parts = [f"{done} {{ entities_words }} handled" if done != 1 else "one {{ entity_words }} handled"]
    if rejected:
        parts.append(f"{rejected} rejected")
    return ", ".join(parts).capitalize() + "."


def details(outcome: Outcome) -> list[str]:
    return [f"{name}: {reason}" for name, reason in sorted(outcome.rejected.items())]
