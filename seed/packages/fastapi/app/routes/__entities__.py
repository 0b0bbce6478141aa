"""`/{{ entities }}`"""

from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Query
from sqlalchemy.orm import Session

from app.database import session
from app.schemas import {{ Entity }}In, {{ Entity }}Out, Page
from app.services import {{ entity }}

router = APIRouter(prefix="/{{ entities }}", tags=["{{ entities }}"])
Db = Annotated[Session, Depends(session)]


@router.get("")
def list_{{ entities }}(db: Db, limit: Annotated[int, Query(ge=1, le=200)] = 50, before: int | None = None) -> Page:
    rows = {{ entity }}.newest(db, limit, before)
    cursor = rows[-1].id if len(rows) == limit else None
    return Page(data=[{{ Entity }}Out.model_validate(row) for row in rows], next_cursor=cursor)


@router.get("/{id}")
def get_{{ entity }}(db: Db, id: int) -> {{ Entity }}Out:
    try:
        return {{ Entity }}Out.model_validate({{ entity }}.get(db, id))
    except {{ entity }}.{{ Entity }}NotFound:
        raise HTTPException(404, "There is no such {{ entity_words }}.") from None


@router.post("", status_code=201)
def add_{{ entity }}(db: Db, new: {{ Entity }}In) -> {{ Entity }}Out:
    return {{ Entity }}Out.model_validate({{ entity }}.add(db, new))
