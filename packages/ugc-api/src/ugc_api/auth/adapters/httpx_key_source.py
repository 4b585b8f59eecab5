"""A key set behind a URL."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from ugc_api.auth.ports import MOST_BYTES, KeySource, KeySourceError

_NOT_MODIFIED = 304
_HEADERS = {
    "Accept": "application/jwk-set+json, application/json",
    "Accept-Encoding": "identity",  # a bound on compressed bytes would bound nothing
}


class HttpxKeySource:
    """Asks the issuer. Takes an answer only from the URL itself: a redirect is a failure."""

    def __init__(self, client: httpx.AsyncClient, url: str, *, timeout_s: float) -> None:
        """Ask nothing yet; an answer may take `timeout_s` seconds in all."""
        self._client = client
        self._url = httpx.URL(url)
        self._timeout_s = timeout_s
        self._tag: str | None = None
        self._kept = b""

    @property
    def where(self) -> str:
        """The URL without its query."""
        return str(self._url.copy_with(query=None))

    async def fetch(self) -> bytes:
        """Return the document.

        Raises:
            KeySourceError: There is no answer, or none that can be a key set.
        """
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._ask()
        except TimeoutError as error:
            msg = f"no answer within {self._timeout_s:g} s"
            raise KeySourceError(msg) from error
        except (httpx.HTTPError, httpx.StreamError, OSError) as error:
            msg = f"no answer: {type(error).__name__}"
            raise KeySourceError(msg) from error

    async def _ask(self) -> bytes:
        known = {"If-None-Match": self._tag} if self._tag else {}
        async with self._client.stream("GET", self._url, headers=_HEADERS | known) as answer:
            if known and answer.status_code == _NOT_MODIFIED:
                return self._kept
            if answer.status_code != httpx.codes.OK:
                msg = f"the answer has status {answer.status_code}"
                raise KeySourceError(msg)
            if answer.headers.get("content-encoding", "identity") != "identity":
                msg = "the answer is compressed, though nobody asked for that"
                raise KeySourceError(msg)
            self._kept, self._tag = await _read(answer), answer.headers.get("etag")
            return self._kept


async def _read(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for piece in answer.aiter_raw():
        found += piece
        if len(found) > MOST_BYTES:
            msg = f"the answer has more than {MOST_BYTES} bytes"
            raise KeySourceError(msg)
    return bytes(found)


@asynccontextmanager
async def open_key_source(
    url: str, *, ca_path: Path | None, timeout_s: float
) -> AsyncIterator[HttpxKeySource]:
    """Open a client of the issuer.

    Args:
        url: The key set.
        ca_path: Certificates of the authorities that the issuer is checked against; without
            one those that this machine trusts.
        timeout_s: Longest wait for an answer, in seconds.

    Raises:
        OSError: The certificates cannot be read.
    """
    trusted = ssl.create_default_context(cafile=ca_path)
    client = httpx.AsyncClient(
        verify=trusted, follow_redirects=False, trust_env=False, timeout=timeout_s
    )
    async with client:
        yield HttpxKeySource(client, url, timeout_s=timeout_s)


if TYPE_CHECKING:  # mypy proves here that the adapter fits the port
    _port: type[KeySource] = HttpxKeySource
