"""What is accepted, and what is refused with a reason."""

import pytest
from pydantic import ValidationError

from app.schemas import {{ Entity }}In

VALID = {
{% for f in fields %}
    "{{ f.name }}": {{ f.py_sample }},
{% endfor %}
}


def test_a_complete_{{ entity }}_is_accepted() -> None:
    assert {{ Entity }}In(**VALID).{{ fields[0].name }}


@pytest.mark.parametrize("field", sorted(VALID))
def test_every_field_is_needed(field: str) -> None:
    incomplete = {name: value for name, value in VALID.items() if name != field}
    with pytest.raises(ValidationError) as caught:
        {{ Entity }}In(**incomplete)
    assert caught.value.errors()[0]["loc"] == (field,)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        {{ Entity }}In(**VALID, surprise=1)
