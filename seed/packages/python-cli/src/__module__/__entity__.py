"""What a {{ entity_words }} is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any


class Invalid(ValueError):
    """The input is no {{ entity_words }}; the message says why, for whoever sent it."""


@dataclass(frozen=True, slots=True)
class {{ Entity }}:
{% for f in fields %}
    {{ f.name }}: {{ f.py_plain }}
{% endfor %}

    @classmethod
    def parse(cls, raw: dict[str, Any]) -> {{ Entity }}:
        missing = [name for name in cls.__slots__ if name not in raw]
        if missing:
            raise Invalid(f"missing: {', '.join(missing)}")
        return cls(
{% for f in fields %}
            {{ f.name }}={{ f.py_parser }}(raw["{{ f.name }}"], "{{ f.name }}"),
{% endfor %}
        )


def _text(value: Any, name: str) -> str:
    text = str(value).strip()
    if not text:
        raise Invalid(f"{name} is empty")
    return text


def _whole(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise Invalid(f"{name} should be a whole number, not {value!r}")
    return value


def _flag(value: Any, name: str) -> bool:
    if not isinstance(value, bool):
        raise Invalid(f"{name} should be true or false, not {value!r}")
    return value


def _day(value: Any, name: str) -> date:
    try:
        return date.fromisoformat(str(value))
    except ValueError:
        raise Invalid(f"{name} should be a day like 2025-03-14, not {value!r}") from None
