"""Settings come from mappings and files that a test makes: no test touches the environment."""

import inspect
from contextlib import chdir
from pathlib import Path

import pytest

from ugc_core.errors import ConfigError
from ugc_core.settings import SECRETS, Settings
from ugc_core.sources import leaves, load, variable

SECRET = "a-secret-of-at-least-32-characters"


@pytest.fixture
def config(tmp_path):
    """Write a settings file; return the environment that names it."""

    def write(text):
        path = tmp_path / "settings.toml"
        path.write_text(text, "utf-8")
        return {"UGC_CONFIG_FILE": str(path)}

    return write


def row(loaded, name):
    """Return the value and the source that `ugc config show --sources` prints."""
    [found] = [(value, source) for key, value, source in loaded.rows() if key == name]
    return found


def refused(environ, flags=None):
    with pytest.raises(ConfigError) as caught:
        load(environ, flags)
    return str(caught.value)


# --- precedence


def test_without_any_source_everything_is_the_default(tmp_path):
    with chdir(tmp_path):
        loaded = load({"HOME": "/root", "ugc_log__url": "not ours"})

    assert loaded.settings == Settings()
    assert {source for _, _, source in loaded.rows()} == {"default"}


def test_a_flag_wins_over_a_variable_over_a_file_over_the_default(config):
    environ = config('[log]\ntopic = "file"\ngroup = "file"\npartitions = 8\n')
    environ |= {"UGC_LOG__TOPIC": "env", "UGC_LOG__GROUP": "env"}

    loaded = load(environ, {"log.topic": "flag", "log.group": None})

    assert row(loaded, "log.topic") == ("flag", "flag")
    assert row(loaded, "log.group") == ("env", "env UGC_LOG__GROUP")
    assert row(loaded, "log.partitions") == ("8", f"file {environ['UGC_CONFIG_FILE']}")
    assert row(loaded, "log.pack_lines") == ("500", "default")
    assert (loaded.settings.log.topic, loaded.settings.log.partitions) == ("flag", 8)


def test_the_file_in_the_working_directory_is_read(tmp_path):
    tmp_path.joinpath("ugc.toml").write_text('data_dir = "elsewhere"\n', "utf-8")
    with chdir(tmp_path):
        loaded = load({})

    assert loaded.settings.data_dir == Path("elsewhere")
    assert row(loaded, "data_dir") == ("elsewhere", "file ugc.toml")


def test_a_file_that_is_named_replaces_the_one_in_the_working_directory(tmp_path, config):
    tmp_path.joinpath("ugc.toml").write_text("nonsense", "utf-8")
    environ = config("[etl]\nmax_rows = 5\n")
    with chdir(tmp_path):
        assert load(environ).settings.etl.max_rows == 5


def test_values_are_converted_to_their_types(config):
    environ = config("[log]\nappend_timeout_s = 2\n")
    environ |= {
        "UGC_LOG__CALL_TIMEOUT_S": "1.5",
        "UGC_LOG__PARTITIONS": "12",
        "UGC_DATA_DIR": "/var/lib/ugc",
    }

    settings = load(environ).settings

    assert settings.log.append_timeout_s == 2.0
    assert settings.log.call_timeout_s == 1.5
    assert settings.log.partitions == 12
    assert settings.data_dir == Path("/var/lib/ugc")


ORIGINS = ("https://cinema.example", "http://localhost:8080")


def test_a_list_is_an_array_in_a_file(config):
    loaded = load(config(f"[api]\ncors_origins = {list(ORIGINS)}\n"))

    assert loaded.settings.api.cors_origins == ORIGINS


@pytest.mark.parametrize("between", [",", " , ", ",,"])
def test_a_list_in_a_variable_has_commas_between_its_items(config, between):
    loaded = load(config("") | {"UGC_API__CORS_ORIGINS": between.join(ORIGINS)})

    assert loaded.settings.api.cors_origins == ORIGINS
    assert row(loaded, "api.cors_origins")[0] == ",".join(ORIGINS)


def test_a_list_may_be_empty(config):
    loaded = load(config("") | {"UGC_API__CORS_ORIGINS": ""})

    assert loaded.settings.api.cors_origins == ()


@pytest.mark.parametrize(
    "origin",
    [
        "*",
        "null",
        "cinema.example",
        "https://",
        "https://cinema.example/",
        "HTTPS://cinema.example",
        "https://Cinema.example",
        "https://*.example",
        "https://cinema.example:443",
        "http://cinema.example:80",
        "https://user@cinema.example",
        "https://cinema.example:0",
        "https://cinema.example\n",
    ],
)
def test_an_origin_that_no_browser_would_send_stops_the_start(config, origin):
    with pytest.raises(ConfigError, match=r"^api\.cors_origins\[1\] \(flag\): expected `str`"):
        load(config(""), {"api.cors_origins": ["https://cinema.example", origin]})


def test_only_algorithms_that_are_known_can_be_allowed(config):
    settings = load(config("[auth]\nalgorithms = ['RS256', 'EdDSA']\n")).settings

    assert settings.auth.algorithms == ("RS256", "EdDSA")
    message = refused(config("") | {"UGC_AUTH__ALGORITHMS": "RS256,none"})
    assert message.startswith("auth.algorithms[1] (env UGC_AUTH__ALGORITHMS): invalid enum value")


def test_every_setting_has_a_variable_that_sets_it(config, tmp_path):
    text = {
        "logging.level": "debug",
        "logging.format": "json",
        "log.kafka.sasl_mechanism": "PLAIN",
        "api.cors_origins": "https://cinema.example",
        "auth.algorithms": "ES256",
    }
    for name, value in leaves(Settings()):
        secret = tmp_path / "secret"
        secret.write_text("x", "utf-8")
        given = text.get(name, str(value or 1) if not name.endswith("_file") else str(secret))

        loaded = load(config("") | {variable(name): given})

        assert row(loaded, name)[1] == f"env {variable(name)}"


def test_every_section_is_described_setting_by_setting():
    described = inspect.getdoc(Settings) or ""
    for name in Settings.__struct_fields__:
        assert f"    {name}: " in described
        section = getattr(Settings(), name)
        for field in getattr(section, "__struct_fields__", ()):
            assert f"    {field}: " in (inspect.getdoc(type(section)) or ""), f"{name}.{field}"


# --- names


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("UGC_LOGG__URL", "did you mean UGC_LOG__URL?"),
        ("UGC_LOG_URL", "did you mean UGC_LOG__URL?"),
        ("UGC_LOG__PARTITION", "did you mean UGC_LOG__PARTITIONS?"),
        ("UGC_ETL__MAX_ROW", "did you mean UGC_ETL__MAX_ROWS?"),
        ("UGC_LOG__URL__X", "did you mean UGC_LOG__URL?"),
        ("UGC_LOG", "did you mean UGC_LOG__URL?"),
    ],
)
def test_a_misspelt_variable_stops_the_start_with_a_suggestion(config, name, hint):
    message = refused(config("") | {name: "x"})

    assert message.startswith("unknown setting ")
    assert f"(env {name}); {hint} `ugc config show`" in message


def test_a_variable_that_resembles_nothing_gets_no_suggestion(config):
    assert refused(config("") | {"UGC_ZZZ": "x"}) == (
        "unknown setting zzz (env UGC_ZZZ). `ugc config show` lists them all"
    )


@pytest.mark.parametrize(
    ("text", "hint"),
    [
        ("[log]\nurll = 'x'\n", "did you mean log.url?"),
        ("[lgo]\nurl = 'x'\n", "did you mean log.url?"),
        ("log = 5\n", "did you mean log.url?"),
        ("[log.url]\nx = 5\n", "did you mean log.url?"),
    ],
)
def test_a_misspelt_name_in_a_file_stops_the_start_with_a_suggestion(config, text, hint):
    environ = config(text)

    message = refused(environ)

    assert f"(file {environ['UGC_CONFIG_FILE']}); {hint}" in message


def test_a_misspelt_flag_stops_the_start(config):
    assert "unknown setting log.urll (flag); did you mean log.url?" in refused(
        config(""), {"log.urll": "x"}
    )


def test_the_test_suites_own_variable_is_no_setting(config):
    assert load(config("") | {"UGC_REQUIRE": "kafka"}).settings == Settings()


# --- values


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        ("log.partitions", "many", "expected `int`, got `str`"),
        ("log.partitions", "0", "expected `int` >= 1"),
        ("log.partitions", "1025", "expected `int` <= 1024"),
        ("log.append_timeout_s", "0", "expected `float` > 0.0"),
        ("log.append_timeout_s", "nan", "expected `float` > 0.0"),
        ("log.append_timeout_s", "inf", "expected `float` <= 86400.0"),
        ("log.topic", "", "expected `str` matching regex"),
        ("log.topic", "a/b", "expected `str` matching regex"),
        ("log.topic", "views\n", "expected `str` matching regex"),
        ("log.group", "a b", "expected `str` matching regex"),
        ("api.port", "65536", "expected `int` <= 65535"),
        ("auth.leeway_s", "301", "expected `int` <= 300"),
        ("logging.level", "loud", "expected `str` matching regex"),
        ("logging.level", "info\n", "expected `str` matching regex"),
        ("logging.format", "xml", "expected `str` matching regex"),
    ],
)
def test_a_value_that_does_not_fit_is_named_with_its_source(config, name, value, reason):
    message = refused(config("") | {variable(name): value})

    assert message.startswith(f"{name} (env {variable(name)}): {reason}")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[log]\nurl = 5\n", "log.url ({source}): expected `str`, got `int`"),
        ("[log]\nurl = ['x']\n", "log.url ({source}): expected `str`, got `array`"),
        ("[log]\npartitions = 'x'\n", "log.partitions ({source}): expected `int`, got `str`"),
        ("data_dir = 5\n", "data_dir ({source}): expected a path, found 5"),
    ],
)
def test_a_value_of_another_type_in_a_file_is_named_with_the_file(config, text, reason):
    environ = config(text)

    assert refused(environ) == reason.format(source=f"file {environ['UGC_CONFIG_FILE']}")


def test_a_flag_of_another_type_is_named(config):
    assert refused(config(""), {"log.url": 5}) == "log.url (flag): expected `str`, got `int`"


# --- files


@pytest.mark.parametrize("text", ["[log", "a", "a = 1\na = 2\n", "[log]\n[log]\n"])
def test_a_file_that_is_not_toml_is_named(config, text):
    environ = config(text)

    assert refused(environ).startswith(
        f"cannot read the settings in {environ['UGC_CONFIG_FILE']}: "
    )


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "settings.toml"
    path.write_bytes(b'data_dir = "\xff"\n')

    assert refused({"UGC_CONFIG_FILE": str(path)}).startswith(f"cannot read the settings in {path}")


def test_a_named_file_has_to_be_there(tmp_path):
    path = tmp_path / "missing.toml"

    assert refused({"UGC_CONFIG_FILE": str(path)}).startswith(
        f"cannot read the settings in {path}: "
    )
    assert "Is a directory" in refused({"UGC_CONFIG_FILE": str(tmp_path)})


# --- secrets


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_comes_from_a_file(config, tmp_path, name):
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n", "utf-8")

    loaded = load(config("") | {f"{variable(name)}_FILE": str(path)})

    assert dict(leaves(loaded.settings))[name] == SECRET
    assert row(loaded, name) == ("********", f"file {path}")


def test_a_secret_file_may_be_named_in_the_settings_file(config, tmp_path):
    path = tmp_path / "secret"
    path.write_text(SECRET, "utf-8")

    assert load(config(f'[auth]\nsecret_file = "{path}"\n')).settings.auth.secret == SECRET


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_that_is_given_twice_is_a_contradiction(config, tmp_path, name):
    path = tmp_path / "secret"
    path.write_text(SECRET, "utf-8")

    message = refused(
        config("") | {f"{variable(name)}_FILE": str(path), variable(name): "other-secret"}
    )

    assert message == (
        f"{name} is set twice: {variable(name)} (env {variable(name)}) and"
        f" {variable(name)}_FILE (env {variable(name)}_FILE); keep one"
    )


def test_a_secret_file_that_cannot_be_read_is_named(config, tmp_path):
    path = tmp_path / "missing"
    message = refused(config("") | {"UGC_AUTH__SECRET_FILE": str(path)})
    assert message.startswith(f"auth.secret_file: cannot read {path}: ")

    path.write_bytes(b"\xff\xfe")
    message = refused(config("") | {"UGC_AUTH__SECRET_FILE": str(path)})
    assert message.startswith(f"auth.secret_file: cannot read {path}: ")

    assert "Is a directory" in refused(config("") | {"UGC_AUTH__SECRET_FILE": ""})


def test_rows_show_every_setting_and_no_secret(config):
    environ = config("") | {variable(name): SECRET for name in SECRETS}

    rows = list(load(environ).rows())

    assert [name for name, _, _ in rows] == [name for name, _ in leaves(Settings())]
    assert {name for name, value, _ in rows if value == "********"} == SECRETS
    assert SECRET not in str(rows)


def test_a_secret_that_is_not_set_is_shown_empty(config):
    assert row(load(config("")), "auth.secret") == ("", "default")
    assert row(load(config("")), "auth.secret_file") == ("", "default")


def test_every_secret_can_come_from_a_file():
    names = {name for name, _ in leaves(Settings())}

    assert {f"{name}_file" for name in SECRETS} <= names
    files = {name.removesuffix("_file") for name in names if name.endswith("_file")}
    assert files - {"auth.jwks"} == SECRETS  # the keys of a JWKS are public


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_file_that_is_empty_stops_the_start(config, tmp_path, name):
    path = tmp_path / "secret"
    path.write_text("\n", "utf-8")

    message = refused(config("") | {f"{variable(name)}_FILE": str(path)})

    assert message.startswith(f"{name}_file: {path} is empty")


def test_an_empty_variable_is_no_path(config):
    assert "expected a path" in refused(config("") | {"UGC_TELEMETRY__WORKERS_DIR": ""})
