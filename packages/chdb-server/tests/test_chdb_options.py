# mypy: disable-error-code="no-untyped-def,no-untyped-call,no-any-return"

import pytest

from chdb_server.limits import MIB
from chdb_server.options import read_options

EVERYWHERE = "0.0.0.0"  # noqa: S104 - what must not be open by mistake


def test_the_directory_is_all_that_must_be_given(tmp_path):
    options = read_options(["--data", str(tmp_path)])

    assert (options.host, options.port, options.login.user) == ("127.0.0.1", 9000, "default")
    assert options.login.password == ""
    assert options.max_memory_bytes == 1024 * MIB
    assert options.limits.max_insert_bytes == 256 * MIB


def test_a_relative_directory_is_made_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert read_options(["--data", "x"]).data == tmp_path / "x"


def test_the_password_is_the_file_without_its_line_ending(tmp_path):
    file = tmp_path / "password"
    file.write_bytes(b" se cret\r\n")
    options = read_options(["--data", "x", "--host", EVERYWHERE, "--password-file", str(file)])

    assert options.login.password == " se cret"
    assert "se cret" not in repr(options)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1.2.3"])
def test_this_machine_alone_needs_no_password(host):
    assert read_options(["--data", "x", "--host", host]).host == host


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        ([], "--data"),
        (["--data", "a?b"], "question mark"),
        (["--data", "x", "--port", "65536"], "65536 is no port"),
        (["--data", "x", "--port", "http"], "invalid port_number value: 'http'"),
        (["--data", "x", "--max-insert-mib", "0"], "0 is less than 1"),
        (["--data", "x", "--shutdown-s", "nan"], "nan is no span of time"),
        (["--data", "x", "--shutdown-s", "-1"], "-1 is no span of time"),
        (["--data", "x", "--host", EVERYWHERE], "give a --password-file"),
        (["--data", "x", "--host", "::"], "give a --password-file"),
        (["--data", "x", "--host", ""], "--host"),
        (["--data", "x", "--host", "no.such.host.invalid"], "--host no.such.host.invalid"),
        (["--data", "x", "--password-file", "/nowhere/at/all"], "No such file"),
        (["--data", "x", "--password-file", "/dev/null"], "is empty"),
        (["--data", "x", "--unknown"], "--unknown"),
    ],
)
def test_a_mistake_is_explained_and_exits_with_2(flags, reason, capsys):
    with pytest.raises(SystemExit) as caught:
        read_options(flags)

    assert caught.value.code == 2
    assert reason in capsys.readouterr().err
