"""The application."""

import logging

from fastapi import FastAPI
from sqlalchemy import text

from app import __version__
from app.config import settings
from app.database import Base, engine
from app.routes import {{ entities }}

logging.basicConfig(level=settings().log_level.upper())
app = FastAPI(title="{{ name }}", version=__version__)
app.include_router({{ entities }}.router)


@app.on_event("startup")
def create_tables() -> None:
    Base.metadata.create_all(engine)


@app.get("/health")
def health() -> dict[str, str]:
    with engine.connect() as connection:
        connection.execute(text("SELECT 1"))
    return {"status": "ok"}
