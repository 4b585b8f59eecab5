"""What an operator may change: one frozen tree, units in the names.

The tree is read by `ugc_core.sources`. Two URLs decide where the log and the warehouse are;
nothing else differs between a laptop and a cluster.
"""

from pathlib import Path
from typing import Annotated

from msgspec import Meta

from ugc_core.api_settings import ApiSection, AuthSection, LimitsSection
from ugc_core.setting_types import (
    Compression,
    Name,
    Port,
    Positive,
    PositiveSeconds,
    SaslMechanism,
    Section,
)


class KafkaSection(Section, frozen=True, kw_only=True):
    """What only a `kafka://` log needs.

    Attributes:
        tls: Whether connections are encrypted.
        ca_path: Certificates of the authorities that brokers are checked against; without
            one those that this machine trusts.
        cert_path: Our certificate, where brokers want one.
        key_path: The key of that certificate.
        sasl_mechanism: How to sign in; empty: not at all.
        user: User of SASL.
        password: Its password; better in a file, see `password_file`.
        password_file: A file that holds the password.
        replication: Copies of each partition that `ugc init` asks for.
        min_insync_replicas: Copies that must have a record before it is acknowledged; one
            less than `replication` lets a broker fail without a stop.
        compression: How records are compressed on their way and on the brokers' disks; zstd
            needs Kafka 2.1.
        linger_ms: How long a first report waits for others to share its record, in
            milliseconds.
        session_timeout_s: How long a group waits for a member that has fallen silent, in
            seconds; a killed ETL's partitions stand still for as long.
        rebalance_timeout_s: How long members may take to join anew, in seconds.
        max_poll_interval_s: How long a member may go without a poll, in seconds; far above
            the longest insert, although polling goes on beside it.
        metadata_max_age_s: How often topics are looked at for new partitions, in seconds.
        stuck_after_s: How long a client may make no progress, although it could, before it
            is thrown away for a new one, in seconds.
    """

    tls: bool = False
    ca_path: Path | None = None
    cert_path: Path | None = None
    key_path: Path | None = None
    sasl_mechanism: SaslMechanism = ""
    user: str = ""
    password: str = ""
    password_file: Path | None = None
    replication: Annotated[int, Meta(gt=0, le=32)] = 3
    min_insync_replicas: Annotated[int, Meta(gt=0, le=32)] = 2
    compression: Compression = "zstd"
    linger_ms: Annotated[float, Meta(ge=0, le=1000)] = 5.0
    session_timeout_s: PositiveSeconds = 10.0
    rebalance_timeout_s: PositiveSeconds = 60.0
    max_poll_interval_s: PositiveSeconds = 300.0
    metadata_max_age_s: PositiveSeconds = 30.0
    stuck_after_s: PositiveSeconds = 30.0


class LogSection(Section, frozen=True, kw_only=True):
    """The log.

    Attributes:
        url: `sqlite:///relative.db`, `sqlite:////absolute.db`, or `kafka://h1:9092,h2:9092`.
        topic: Topic of the reports; its dead letters go to `<topic>.dlq`.
        group: Consumer group of the ETL.
        partitions: Partitions of the topic; on a cluster a multiple of its shards.
        retention_hours: How long a record stays after it was committed; on Kafka after it
            was appended, so there it must be longer than any outage.
        append_timeout_s: Longest wait for the log's acknowledgement, in seconds.
        call_timeout_s: Longest wait for any other answer of the log, in seconds.
        max_in_flight: Appends on their way at once; one more is refused at once.
        pack_lines: Most lines in one record that several requests share.
        pack_bytes: Most bytes in such a record.
        kafka: What only a `kafka://` log needs.
    """

    url: str = "sqlite:///.ugc/log.db"
    topic: Name = "views"
    group: Name = "ugc-etl"
    partitions: Annotated[int, Meta(gt=0, le=1024)] = 4
    retention_hours: Positive = 24
    append_timeout_s: PositiveSeconds = 5.0
    call_timeout_s: PositiveSeconds = 10.0
    max_in_flight: Positive = 4096
    pack_lines: Positive = 500
    pack_bytes: Positive = 262_144
    kafka: KafkaSection = KafkaSection()

    @property
    def dlq_topic(self) -> str:
        """The topic of the dead letters."""
        return f"{self.topic}.dlq"

    @property
    def retention_ms(self) -> int:
        """The retention in milliseconds."""
        return self.retention_hours * 3_600_000


class WarehouseSection(Section, frozen=True, kw_only=True):
    """The warehouse.

    Attributes:
        url: `clickhouse://HOST:PORT/DATABASE`, with `?cluster=NAME` on a cluster.
        user: ClickHouse user.
        password: Its password; better in a file, see `password_file`.
        password_file: A file that holds the password.
        connect_timeout_s: Longest wait for a connection, in seconds.
        read_timeout_s: Longest wait for a read, in seconds.
        insert_timeout_s: Longest wait for an insert, in seconds; below the log's patience
            with a silent consumer (five minutes).
        max_connections: Connections a process keeps.
        views_ttl_days: How long raw reports stay; 0 keeps them for ever.
        insert_quorum: On a cluster, replicas of a shard that must hold an insert before it
            counts. 0: a majority, or those that are left while others are down. A number:
            never fewer, so a shard with too few replicas waits, and the log keeps its reports.
    """

    url: str = "clickhouse://127.0.0.1:9000/movies"
    user: str = "default"
    password: str = ""
    password_file: Path | None = None
    connect_timeout_s: PositiveSeconds = 5.0
    read_timeout_s: PositiveSeconds = 30.0
    insert_timeout_s: PositiveSeconds = 60.0
    max_connections: Positive = 8
    views_ttl_days: Annotated[int, Meta(ge=0)] = 0
    insert_quorum: Annotated[int, Meta(ge=0, le=16)] = 0


class EtlSection(Section, frozen=True, kw_only=True):
    """The pipeline. A batch is due when one of its limits is reached.

    Attributes:
        max_rows: Rows in one insert; ClickHouse wants few large ones.
        max_bytes: Bytes of log records in one insert.
        max_age_s: Longest time a record waits for company, in seconds.
        max_buffered_bytes: Bytes waiting per partition before it is paused.
        retry_first_s: First wait after a failure, in seconds.
        retry_most_s: Longest wait between two tries, in seconds.
        insert_tokens: Whether inserts carry a deduplication token. Tokens save work after a
            crash; without them the reports' identity alone keeps each single.
        max_bad_in_a_row: Records in a row without one good line, or reports in a row that the
            warehouse refuses, before the service stops.
        drain_s: How long the last batches may take after SIGTERM, in seconds.
        metrics_host: Address of the Prometheus metrics.
        metrics_port: Their port; 0 turns them off.
    """

    max_rows: Positive = 50_000
    max_bytes: Positive = 16_777_216
    max_age_s: PositiveSeconds = 0.5
    max_buffered_bytes: Positive = 33_554_432
    retry_first_s: PositiveSeconds = 0.1
    retry_most_s: PositiveSeconds = 10.0
    insert_tokens: bool = True
    max_bad_in_a_row: Positive = 1000
    drain_s: PositiveSeconds = 20.0
    metrics_host: str = "127.0.0.1"
    metrics_port: Port = 0


class LoggingSection(Section, frozen=True, kw_only=True):
    """What the services say on stderr.

    Attributes:
        level: debug, info, warning or error.
        format: `console` for people, `json` for collectors.
    """

    level: Annotated[str, Meta(pattern=r"^(debug|info|warning|error)\Z")] = "info"
    format: Annotated[str, Meta(pattern=r"^(console|json)\Z")] = "console"


class TelemetrySection(Section, frozen=True, kw_only=True):
    """What the services tell other systems about themselves; all of it is off by default.

    Attributes:
        environment: Where this is, in traces and errors: production, staging …
        otlp_endpoint: Base URL of a collector that takes traces by OTLP over HTTP, such as
            `http://127.0.0.1:4318`; needs the extra `otel`.
        otlp_token: Token that it wants (`Authorization: Bearer`); better in a file.
        otlp_token_file: A file that holds the token.
        apm_server_url: URL of an Elastic APM Server that takes traces and errors from its
            agent; needs the extra `apm`. It may be given an `otlp_endpoint` instead.
        apm_token: Its secret token; better in a file.
        apm_token_file: A file that holds the token.
        sentry_dsn: Where Sentry takes errors; needs the extra `sentry`. Better in a file.
        sentry_dsn_file: A file that holds the DSN.
        trace_ratio: Share of the requests that are traced, 0 to 1.
        foreign_traces_per_s: Requests a second and process that are traced because their
            `traceparent` asks for it, besides; 0 for none.
        workers_dir: Folder in which the workers of one service share their metrics; without
            one it is made in memory for the workers that one parent has started.
    """

    environment: Annotated[str, Meta(max_length=64)] = ""
    otlp_endpoint: str = ""
    otlp_token: str = ""
    otlp_token_file: Path | None = None
    apm_server_url: str = ""
    apm_token: str = ""
    apm_token_file: Path | None = None
    sentry_dsn: str = ""
    sentry_dsn_file: Path | None = None
    trace_ratio: Annotated[float, Meta(ge=0, le=1)] = 0.01
    foreign_traces_per_s: Annotated[float, Meta(ge=0, le=1000)] = 10.0
    workers_dir: Path | None = None


class Settings(Section, frozen=True, kw_only=True):
    """Read once, by whoever starts the process, and passed down from there.

    Attributes:
        data_dir: Where `ugc up` keeps its data, and where other commands look for it.
        log: The log.
        warehouse: The warehouse.
        api: The HTTP service.
        limits: What the HTTP service takes before it refuses.
        auth: How tokens are verified.
        etl: The pipeline.
        logging: What the services say.
        telemetry: What they tell other systems about themselves.
    """

    data_dir: Path = Path(".ugc")
    log: LogSection = LogSection()
    warehouse: WarehouseSection = WarehouseSection()
    api: ApiSection = ApiSection()
    limits: LimitsSection = LimitsSection()
    auth: AuthSection = AuthSection()
    etl: EtlSection = EtlSection()
    logging: LoggingSection = LoggingSection()
    telemetry: TelemetrySection = TelemetrySection()


SECRETS = frozenset(
    {
        "log.kafka.password",
        "warehouse.password",
        "api.docs_password",
        "api.metrics_password",
        "auth.secret",
        "auth.beacon_secret",
        "telemetry.otlp_token",
        "telemetry.apm_token",
        "telemetry.sentry_dsn",
    }
)
"""Settings that are never printed; each also has a `…_file` twin."""
