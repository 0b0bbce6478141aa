"""What is accepted, and what is explained instead."""

import pytest

from {{ module }}.{{ entity }} import Invalid, {{ Entity }}

VALID = {
{% for f in fields %}
    "{{ f.name }}": {{ f.py_sample }},
{% endfor %}
}


def test_a_complete_{{ entity }}() -> None:
    assert {{ Entity }}.parse(VALID) == {{ Entity }}.parse(dict(VALID))


@pytest.mark.parametrize("name", sorted(VALID))
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(Invalid, match=name):
        {{ Entity }}.parse({key: value for key, value in VALID.items() if key != name})
