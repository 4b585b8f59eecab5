"""A page of another origin in a real browser: what it may send, and what it may read."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from string import Template

import pytest

from tests.integration.api_logs import stored
from tests.integration.api_processes import FILM, PATIENCE_S, ApiProcess, bearer, report
from ugc_core.settings import LogSection

PAGE = Template("""<!doctype html><body><script type="module">
const said = {};
const post = async (path, body, headers) => {
  try {
    const options = { method: "POST", body: JSON.stringify(body), headers };
    const answer = await fetch("$api" + path, options);
    said[path] = [answer.status, answer.headers.get("X-Request-ID") !== null];
    return answer.status === 200 ? await answer.json() : null;
  } catch (error) {
    said[path] = error.name;
  }
};
const signed = { Authorization: $bearer, "Content-Type": "application/json" };
const given = await post("/api/v1/beacon-tokens", { film_id: $film }, signed);
await post("/api/v1/progresses/", {}, { ...signed, "Idempotency-Key": '"a"' });
await post("/api/v1/progresses/films/$path/", $seen, signed);
const body = JSON.stringify({ token: given?.token, report: $last });
said.beacon = navigator.sendBeacon("$api/api/v1/beacons", body);
await post("/api/v1/nothing", {}, {});
document.body.textContent = JSON.stringify(said);
</script>""")


class Quiet(SimpleHTTPRequestHandler):
    """Gives files, and says nothing."""

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(folder: Path) -> Iterator[str]:
    """Give a folder's files under an origin of their own, until the block ends."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


async def opened(chromium: str, url: str, folder: Path) -> dict[str, object]:
    """Open a page, and return what it wrote when all its requests had ended."""
    browser = await asyncio.create_subprocess_exec(
        *(chromium, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
        *(f"--user-data-dir={folder}/profile", "--virtual-time-budget=20000", "--dump-dom", url),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(PATIENCE_S):
            page = (await browser.communicate())[0].decode()
    finally:
        if browser.returncode is None:
            browser.kill()
            await browser.wait()
    said: dict[str, object] = json.loads(page.partition("<body>")[2].partition("</body>")[0])
    return said


async def kept(log: LogSection, count: int) -> set[str]:
    """Wait until so many reports are in the log; a beacon outlives its page."""
    ids: set[str] = set()
    async with asyncio.timeout(PATIENCE_S):
        while len(ids) < count:
            ids |= {str(event.event_id) for event in await stored(log)}
            await asyncio.sleep(0.05)
    return ids


@pytest.mark.parametrize("allowed", [True, False], ids=["allowed", "foreign"])
async def test_a_page_says_its_last_words_only_where_its_origin_may(
    tmp_path, log, chromium, allowed
):
    folder = tmp_path / "pages"
    folder.mkdir()
    seen, last = report(), report()
    with served(folder) as origin:
        named = origin if allowed else origin.replace("127.0.0.1", "localhost")
        with ApiProcess(tmp_path, UGC_API__CORS_ORIGINS=named).running() as service:
            page = PAGE.substitute(
                api=service.url,
                bearer=json.dumps(bearer()["Authorization"]),
                film=json.dumps(str(FILM)),
                path=FILM,
                seen=json.dumps(seen),
                last=json.dumps(last),
            )
            (folder / "page.html").write_text(page)
            said = await opened(chromium, f"{origin}/page.html", tmp_path)
            ids = await kept(log, 2 if allowed else 0)

    told = {name.rpartition("/api/v1/")[2]: value for name, value in said.items()}
    assert told.pop("beacon") is True  # handed over: without an answer to wait for
    if allowed:
        assert ids == {seen["event_id"], last["event_id"]}
        assert told == {
            "beacon-tokens": [200, True],
            "progresses/": [422, True],
            f"progresses/films/{FILM}/": [202, True],
            "nothing": [404, True],
        }
    else:
        assert ids == set()
        assert set(told.values()) == {"TypeError"}
