"""What became of a dead letter: told by a later record of the same topic.

A topic cannot be changed afterwards, on Kafka at least. So a letter is closed by one more
record under the letter's key, with the header `resolution`; its lines name the letters, since
several of them may share a record.
"""

import asyncio
from collections.abc import Sequence
from enum import StrEnum

from ugc_core.log import Headers, LogWriter
from ugc_etl.letters.line_format import Place, encode_place

RESOLUTION_HEADER = "resolution"


class Resolution(StrEnum):
    """Why a letter is closed.

    Attributes:
        REDRIVEN: Its line was appended to the main topic again.
        REPLAYED: Its line was put into the warehouse.
        ERASED: Its user is forgotten; the line was not used.
        DROPPED: It was set aside for good.
    """

    REDRIVEN = "redriven"
    REPLAYED = "replayed"
    ERASED = "erased"
    DROPPED = "dropped"


def resolution_of(headers: Headers) -> Resolution | None:
    """Return what a record says of the letters in it; None if it holds letters themselves."""
    for name, value in headers:
        if name == RESOLUTION_HEADER:
            known = {one.value.encode(): one for one in Resolution}
            return known.get(value, Resolution.DROPPED)  # a newer word: closed, all the same
    return None


async def close_letters(writer: LogWriter, places: Sequence[Place], resolution: Resolution) -> None:
    """Append what closes the letters; return once it is durable.

    Raises:
        LogUnavailableError: Not acknowledged in time; close them again.
    """
    headers = ((RESOLUTION_HEADER, resolution.value.encode()),)
    appends = [
        writer.append(place.key.encode(), [encode_place(place)], headers=headers)
        for place in places
    ]
    await asyncio.gather(*appends)
