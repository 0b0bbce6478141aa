"""Tables."""

from datetime import date, datetime

from sqlalchemy import func
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base


class {{ Entity }}Row(Base):
    __tablename__ = "{{ entities }}"

    id: Mapped[int] = mapped_column(primary_key=True)
{% for f in fields %}
    {{ f.name }}: Mapped[{{ f.py_row }}]
{% endfor %}
    created_at: Mapped[datetime] = mapped_column(server_default=func.now(), index=True)
