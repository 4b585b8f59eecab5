"""What `ugc up` shows once everything runs."""

from uuid import UUID

from msgspec import Struct
from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from ugc_cli.data_dir import DataDir
from ugc_core.settings import Settings
from ugc_core.urls import warehouse_target

FILM = UUID("3d825f60-9fff-4dfe-b294-1a45fa1e115d")
"""Any film will do: the product keeps no catalogue."""


class Welcome(Struct, frozen=True, kw_only=True):
    """Everything that a person, or a script with `--json`, needs to go on.

    Attributes:
        api: Root of the API.
        docs: Its documentation pages.
        metrics: Prometheus metrics of the API.
        clickhouse: Host and port of the native protocol.
        database: Database of the tables.
        data: The data directory.
        user: Whom the token is for.
        token: A token for the API.
        curl: A command that reports progress.
    """

    api: str
    docs: str
    metrics: str
    clickhouse: str
    database: str
    data: str
    user: UUID
    token: str
    curl: str


def welcome(root: str, settings: Settings, directory: DataDir, user: UUID, token: str) -> Welcome:
    """Gather what `ugc up` says.

    Args:
        root: Root URL of the HTTP service.
        settings: The settings of the services.
        directory: The data directory.
        user: Whom the token is for.
        token: The token.
    """
    target = warehouse_target(settings.warehouse.url)
    url = f"{root}/api/v1/progresses/films/{FILM}/"
    curl = (
        f"curl -sS {url} -H 'Authorization: Bearer {token}'"
        " -H 'Content-Type: application/json' -d '{\"progress\": 120, \"total\": 5400}'"
    )
    return Welcome(
        api=f"{root}/api/v1/",
        docs=f"{root}/api/docs",
        metrics=f"{root}/metrics",
        clickhouse=f"{target.host}:{target.port}",
        database=target.database,
        data=str(directory.root),
        user=user,
        token=token,
        curl=curl,
    )


def show(console: Console, shown: Welcome, directory: DataDir, hint: str) -> None:
    """Print it for a person; long lines stay whole, so that they can be copied.

    Args:
        console: Where.
        shown: What.
        directory: The data directory.
        hint: Option that other commands need to find it, such as ` --data /tmp/x`.
    """
    console.print(Rule(style="dim"))
    look = " ".join(("ugc query" + hint, "'SELECT * FROM views'"))
    for title, line in (
        (f"Token of user {shown.user}, valid for 12 hours:", shown.token),
        ("Report that this user has watched two minutes of a film:", shown.curl),
        ("Read it back, a second later:", _read_back(shown)),
        ("Look at what is stored:", look),
    ):
        console.print(Text(f"  {title}", style="bold"))
        console.print(Text(f"  {line}"), soft_wrap=True)
        console.print()
    # Last, since the long lines above would push it out of a small terminal.
    console.print(
        Text("UGC is up. This is for development: one machine, no TLS, no replicas.", "green")
    )
    for name, value in (
        ("API", shown.api),
        ("API docs", f"{shown.docs}  user docs, password in Secrets"),
        ("Metrics", shown.metrics),
        ("ClickHouse", f"{shown.clickhouse}  database {shown.database}, user default"),
        ("Data", str(directory.root)),
        ("Secrets", str(directory.docs_password.parent)),
        ("Logs", str(directory.logs)),
    ):
        console.print(Text.assemble((f"  {name:<10}  ", "bold"), value), soft_wrap=True)
    console.print(Text("Ctrl-C stops everything; what was accepted is kept.", style="dim"))


def _read_back(shown: Welcome) -> str:
    return shown.curl.split(" -H 'Content-Type")[0]
