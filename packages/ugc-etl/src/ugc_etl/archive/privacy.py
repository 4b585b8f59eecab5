"""Which lines an archive must not hold: those of users that are to be forgotten."""

import hashlib
import re
from uuid import UUID

from ugc_core.codec import decode_line, is_erasure, schema_version
from ugc_core.errors import MalformedLineError
from ugc_core.log import Headers
from ugc_etl.erasures import ErasedUsers

# A UUID in any of the forms that a decoder takes, with or without dashes.
_UUID = re.compile(rb"[0-9a-fA-F]{8}-?(?:[0-9a-fA-F]{4}-?){3}[0-9a-fA-F]{12}")


class LeavingOut:
    """Decides line by line, given the erasures so far."""

    def __init__(self, erased: ErasedUsers) -> None:
        """Take the erasures."""
        self._erased = erased
        self._users = {one.user_id for one in erased}

    @property
    def digest(self) -> str:
        """Names this set of erasures, and tells nothing of the users in it."""
        places = sorted(f"{one.user_id}:{one.partition}:{one.offset}" for one in self._erased)
        return hashlib.blake2b("\n".join(places).encode(), digest_size=16).hexdigest()

    def hides(self, line: bytes, headers: Headers, *, partition: int, offset: int) -> bool:
        """Say whether a line is to be left out.

        An erasure names its user and is no report. A line that cannot be decoded is left out
        if it names an erased user anywhere: nobody can say when it was made.
        """
        if is_erasure(headers):
            return True
        if not self._users:
            return False
        try:
            event = decode_line(line, schema_version(headers))
        except MalformedLineError:
            return any(UUID(found.decode()) in self._users for found in _UUID.findall(line))
        return self._erased.hides(event, partition=partition, offset=offset)
