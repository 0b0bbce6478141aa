"""One engine per process, one session per request."""

from collections.abc import Iterator

from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Session, sessionmaker

from app.config import settings

engine = create_engine(settings().database_url, pool_pre_ping=True)
factory = sessionmaker(engine, expire_on_commit=False)


class Base(DeclarativeBase):
    pass


def session() -> Iterator[Session]:
    """Commits when the request went well and rolls back when it did not."""
    with factory.begin() as current:
        yield current
