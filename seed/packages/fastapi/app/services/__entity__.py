"""Adding and finding {{ entities_words }}."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from app.models import {{ Entity }}Row
from app.schemas import {{ Entity }}In


class {{ Entity }}NotFound(LookupError):
    """There is no {{ entity_words }} with this id."""


def add(db: Session, new: {{ Entity }}In) -> {{ Entity }}Row:
    row = {{ Entity }}Row(**new.model_dump(mode="python"))
{% for f in fields if f.kind == "url" %}
    row.{{ f.name }} = str(new.{{ f.name }})
{% endfor %}
    db.add(row)
    db.flush()
    return row


def get(db: Session, id: int) -> {{ Entity }}Row:
    row = db.get({{ Entity }}Row, id)
    if row is None:
        raise {{ Entity }}NotFound(id)
    return row


def newest(db: Session, limit: int, before: int | None = None) -> list[{{ Entity }}Row]:
    query = select({{ Entity }}Row).order_by({{ Entity }}Row.id.desc()).limit(limit)
    if before is not None:
        query = query.where({{ Entity }}Row.id < before)
    return list(db.scalars(query))
