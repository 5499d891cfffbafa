"""The route that the pages have texts drawn by. It belongs to the pages, and changes with them."""

import asyncio
from dataclasses import asdict
from typing import Annotated, Any, Final, Self

from fastapi import APIRouter
from pydantic import Field, model_validator

from perdure.gateway.markdown.blocks import LONGEST, blocks
from perdure.gateway.routes.context import Caller
from perdure.gateway.routes.door import Door
from perdure.workflows.vocabulary.parts import Frozen

#: Characters of all texts of a request.
MOST: Final = 2 * LONGEST

router = APIRouter(include_in_schema=False, route_class=Door)


class DrawTexts(Frozen):
    texts: Annotated[tuple[Annotated[str, Field(max_length=LONGEST)], ...], Field(max_length=100)]

    @model_validator(mode="after")
    def _bounded(self) -> Self:
        if sum(map(len, self.texts)) > MOST:
            raise ValueError(f"texts: are longer than {MOST} characters together")
        return self


@router.post("/markdown")
async def draw_texts(body: DrawTexts, caller: Caller) -> dict[str, Any]:
    """Each of `texts` as blocks of HTML, with the line that each begins at."""
    return {"drawn": await asyncio.to_thread(_drawn, body.texts)}


def _drawn(texts: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    return [list(map(asdict, blocks(text))) for text in texts]
