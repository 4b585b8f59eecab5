"""The lines with curl that `ugc up` shows, run as a person would."""

import shlex
import shutil
import subprocess

import httpx


def curl(command: str) -> httpx.Response:
    """Run the line in a shell; without curl, do what it says."""
    words = shlex.split(command)
    if shutil.which("curl"):
        done = subprocess.run(
            ["sh", "-c", command], capture_output=True, timeout=20, check=True, text=True
        )
        return httpx.Response(202 if "-d" in words else 200, text=done.stdout)
    url = next(word for word in words if word.startswith("http"))
    headers = [words[i + 1].split(": ", 1) for i, word in enumerate(words) if word == "-H"]
    named = [(name, value) for name, value in headers]
    if "-d" not in words:
        return httpx.get(url, headers=named)
    return httpx.post(url, headers=named, content=words[words.index("-d") + 1])
