"""Letters for the dead lines of a replay that have none yet."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ugc_etl.letters.letter_box import Known, LetterBox
from ugc_etl.letters.line_format import place_of
from ugc_etl.ports import DeadLetter, DeadLetters
from ugc_etl.retry import Retry


@dataclass(kw_only=True)
class Graves:
    """Keeps a dead line's letter once: a replayed range has most of them already.

    Attributes:
        box: The letters that are there; read when the first dead line is met.
        dead_letters: Where new ones go.
        retry: How to wait.
    """

    box: LetterBox
    dead_letters: DeadLetters
    retry: Retry
    _known: Known | None = None

    async def bury(self, dead: Sequence[DeadLetter]) -> None:
        """Keep the letters that are new."""
        if not dead:
            return
        if self._known is None:
            self._known = await self.retry.until_done("dead letters", self.box.known)
        fresh = [letter for letter in dead if place_of(letter).key not in self._known]
        if fresh:
            await self.retry.until_done("dead letters", partial(self.dead_letters.put, fresh))
            self._known |= dict.fromkeys(place_of(letter).key for letter in fresh)
