"""A base image made of this machine's own Python, for where no registry can be reached.

It stands for `python:3.x-slim`: an interpreter in /usr/local, a shell, the few programs that
the Dockerfile calls, and the certificates that this machine trusts.
"""

import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

_PROGRAMS = (
    *("sh", "cat", "chmod", "cp", "env", "id", "ln", "ls", "mkdir", "mv", "rm", "sleep", "uname"),
    *("groupadd", "useradd"),
)
_ETC = ("passwd", "group", "login.defs", "nsswitch.conf", "ssl/certs/ca-certificates.crt")
_FOR_WHEELS = ("libstdc++.so.6", "libgcc_s.so.1", "librt.so.1", "libpthread.so.0", "libdl.so.2")
"""What compiled packages expect of any Debian."""
_LIBRARY = re.compile(r"(/\S+\.so\S*) \(0x")


def make_root(root: Path) -> None:
    """Fill a folder with the file system of the image."""
    local = root / "usr" / "local"
    for folder in ("bin", "sbin", "lib", "lib64"):
        (root / "usr" / folder).mkdir(parents=True)
        (root / folder).symlink_to(f"usr/{folder}")
    for folder in ("tmp", "root", "var/tmp", "proc", "sys", "dev", "run"):
        (root / folder).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for file in _ETC:
        if (source := Path("/etc") / file).exists():
            _copy(source, root / "etc" / file)
    programs = [Path(found) for word in _PROGRAMS if (found := shutil.which(word))]
    for program in programs:
        _copy(program.resolve(), root / "usr" / "bin" / program.name)
    _copy_libraries([*programs, *_copy_python(local)], root / "usr")


def _copy_python(local: Path) -> Iterable[Path]:
    """Copy the interpreter that runs us; return what of it is linked with libraries."""
    name = f"python{sys.version_info.major}.{sys.version_info.minor}"
    source, target = Path(sys.base_prefix) / "lib" / name, local / "lib" / name
    leave = shutil.ignore_patterns("__pycache__", "*-packages", "test", "idlelib", "tkinter")
    shutil.copytree(source, target, ignore=leave, symlinks=True)
    (target / "site-packages").mkdir()
    # Where a distribution keeps pip's wheel for `ensurepip` outside of the standard library.
    if wheels := sysconfig.get_config_var("WHEEL_PKG_DIR"):
        shutil.copytree(wheels, local.parents[1] / Path(wheels).relative_to("/"))
    python = _copy(Path(sys.executable).resolve(), local / "bin" / name)
    for alias in ("python", "python3"):
        (local / "bin" / alias).symlink_to(name)
    return [python, *(target / "lib-dynload").glob("*.so")]


def _copy_libraries(programs: Iterable[Path], usr: Path) -> None:
    linked = _libraries(programs)
    beside = {library.parent / name for library in linked for name in _FOR_WHEELS}
    for library in linked | {path for path in beside if path.exists()}:
        _copy(library.resolve(), usr / "lib" / library.name)
        if library.name.startswith("ld-"):
            _copy(library.resolve(), usr / "lib64" / library.name)


def _copy(source: Path, target: Path) -> Path:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(source, target)
    return target


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """Return the shared libraries that these programs are linked with."""
    said = subprocess.run(
        ["ldd", *map(str, programs)], capture_output=True, text=True, check=False
    ).stdout
    return {Path(found) for found in _LIBRARY.findall(said)}
