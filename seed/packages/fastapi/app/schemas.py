"""What comes in and what goes out."""

from datetime import date, datetime

from pydantic import BaseModel, ConfigDict, EmailStr, Field, HttpUrl


class {{ Entity }}In(BaseModel):
    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

{% for f in fields %}
    {{ f.name }}: {{ f.py }}
{% endfor %}


class {{ Entity }}Out({{ Entity }}In):
    model_config = ConfigDict(from_attributes=True)

    id: int
    created_at: datetime


class Page(BaseModel):
    data: list[{{ Entity }}Out]
    next_cursor: int | None = Field(description="Pass it as `before` to get older ones")
