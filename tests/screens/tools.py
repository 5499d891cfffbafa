"""The tools of the agents of the pictures."""

import asyncio

from temporalio import activity
from temporalio.exceptions import ApplicationError


@activity.defn
async def search_flights(to: str, month: str) -> list[dict[str, str | int]]:
    """Finds flights."""
    return [
        {"flight": "TP 533", "to": to, "leaves": "08:10", "month": month, "price": 184},
        {"flight": "LH 1172", "to": to, "leaves": "13:45", "month": month, "price": 231},
    ]


@activity.defn
async def find_hotels(city: str) -> str:
    """Finds hotels."""
    raise ApplicationError(
        f"The hotel service is being mended; {city} is back at 14:00.", type="away", non_retryable=True
    )


@activity.defn
async def weather(city: str) -> dict[str, str | int]:
    """What the weather is like."""
    return {"city": city, "sky": "sunny", "degrees": 21}


@activity.defn
async def book_flight(flight: str, passengers: int) -> str:
    """Books a flight."""
    return f"Booked {flight} for {passengers}"


@activity.defn
async def read_photos(album: str) -> str:
    """Reads an album, for ever."""
    while True:
        activity.heartbeat("photo 18 of 40", 0.45)
        await asyncio.sleep(0.5)
