"""How every Kafka role connects, what its failures mean, and how its client is closed."""

import asyncio
import logging
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

from aiokafka import errors as kafka
from aiokafka.conn import create_conn

from ugc_core.backoff import Backoff
from ugc_core.errors import ConfigError, LogUnavailableError, UgcError
from ugc_core.settings import KafkaSection, LogSection
from ugc_core.urls import KafkaLogTarget

BROKEN = (kafka.KafkaError, kafka.IllegalOperation, OSError, TimeoutError, AssertionError)
"""What a Kafka client raises when the world is not as it should be."""

_PAUSES = Backoff(first_s=0.02, most_s=0.1)
"""Between two tries: what a broker has just begun is often done at once."""

_SIGN_IN = (
    kafka.SaslAuthenticationFailed,
    kafka.AuthenticationFailedError,
    kafka.IllegalSaslStateError,
)
_FORBIDDEN = (
    kafka.TopicAuthorizationFailedError,
    kafka.GroupAuthorizationFailedError,
    kafka.ClusterAuthorizationFailedError,
)


def connection(target: KafkaLogTarget, settings: LogSection, *, timeout_s: float) -> dict[str, Any]:
    """Return the arguments that every aiokafka client takes.

    Args:
        target: The brokers.
        settings: The log's section.
        timeout_s: Longest wait for one answer of one broker, in seconds.

    Raises:
        ConfigError: The settings contradict each other, or a file cannot be read.
    """
    # It tells of every try at length, with tracebacks; what matters becomes an error of ours.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    section = settings.kafka
    arguments: dict[str, Any] = {
        "bootstrap_servers": list(target.servers),
        "client_id": "ugc",
        "request_timeout_ms": max(round(timeout_s * 1000), 1),
        "metadata_max_age_ms": round(section.metadata_max_age_s * 1000),
        "security_protocol": _protocol(section),
    }
    if section.tls:
        arguments["ssl_context"] = _tls_context(section)
    if section.sasl_mechanism:
        arguments["sasl_mechanism"] = section.sasl_mechanism
        arguments["sasl_plain_username"] = section.user
        arguments["sasl_plain_password"] = section.password
    return arguments


def _protocol(section: KafkaSection) -> str:
    if section.sasl_mechanism and not (section.user and section.password):
        msg = (
            f"log.kafka.sasl_mechanism is {section.sasl_mechanism}, which needs"
            " UGC_LOG__KAFKA__USER and UGC_LOG__KAFKA__PASSWORD_FILE"
        )
        raise ConfigError(msg)
    if section.user and not section.sasl_mechanism:
        msg = "log.kafka.user is set: say how to sign in with UGC_LOG__KAFKA__SASL_MECHANISM"
        raise ConfigError(msg)
    if not section.tls and (section.ca_path or section.cert_path or section.key_path):
        msg = "log.kafka has certificates, but connects without TLS: set UGC_LOG__KAFKA__TLS=true"
        raise ConfigError(msg)
    protocol = "SSL" if section.tls else "PLAINTEXT"
    return f"SASL_{protocol}" if section.sasl_mechanism else protocol


def _tls_context(section: KafkaSection) -> ssl.SSLContext:
    path: Path | None = section.ca_path
    try:
        context = ssl.create_default_context(cafile=str(path) if path else None)
        if path := section.cert_path:
            context.load_cert_chain(path, section.key_path)
    except OSError as error:  # ssl.SSLError is one
        msg = f"log.kafka: cannot use the certificates in {path}: {error}"
        raise ConfigError(msg) from error
    return context


def translated(error: BaseException, what: str) -> UgcError:
    """Return the error of ours that a client's error means."""
    if isinstance(error, UgcError):
        return error
    reason = str(error) or type(error).__name__
    if isinstance(error, kafka.UnsupportedSaslMechanismError):
        return ConfigError(
            f"{what}: Kafka does not let anybody sign in that way; set"
            " UGC_LOG__KAFKA__SASL_MECHANISM to one that is enabled on the brokers"
        )
    if isinstance(error, _SIGN_IN):
        return ConfigError(
            f"{what}: Kafka refused to sign us in ({reason}); check UGC_LOG__KAFKA__USER,"
            " UGC_LOG__KAFKA__PASSWORD_FILE and UGC_LOG__KAFKA__SASL_MECHANISM"
        )
    if isinstance(error, _FORBIDDEN):
        return ConfigError(
            f"{what}: Kafka does not allow it ({reason}); give this user the right with"
            " kafka-acls.sh, or sign in as another one"
        )
    if isinstance(error, ssl.SSLError):
        return ConfigError(
            f"{what}: no TLS connection to Kafka ({reason}); check UGC_LOG__KAFKA__TLS,"
            " UGC_LOG__KAFKA__CA_PATH and the port"
        )
    unknown = isinstance(error, kafka.UnknownTopicOrPartitionError)
    reason = "there is no such topic; run `ugc init`" if unknown else reason
    return LogUnavailableError(f"{what}: {reason}")


async def started(
    start: Callable[[], Awaitable[object]], arguments: dict[str, Any], *, timeout_s: float
) -> None:
    """Start a client; on failure find out why, which the client itself only logs.

    Raises:
        ConfigError: Kafka refuses the credentials or the certificate.
        LogUnavailableError: No broker answered in time.
    """
    servers = ", ".join(arguments["bootstrap_servers"])
    try:
        async with asyncio.timeout(timeout_s):
            await start()
    except BROKEN as error:
        reason = await _reason(arguments) or error
        raise translated(reason, f"cannot reach Kafka at {servers}") from error


async def _reason(arguments: dict[str, Any]) -> BaseException | None:
    """Knock at each broker, and return the error that says most."""
    found: BaseException | None = None
    rest = {k: v for k, v in arguments.items() if k.startswith(("sasl_", "ssl_", "security_"))}
    for server in arguments["bootstrap_servers"]:
        host, _, port = server.rpartition(":")
        try:
            async with asyncio.timeout(2):
                conn = await create_conn(host, int(port), request_timeout_ms=2000, **rest)
            conn.close()
        except BROKEN as error:
            if isinstance(translated(error, ""), ConfigError):
                return error
            found = error.with_traceback(None)  # which would hold this frame, and so `found`
    return found


async def within(timeout_s: float, what: str, action: Callable[[int], Awaitable[Any]]) -> Any:
    """Return what `action` returns; where it fails for now, try again until the deadline.

    Args:
        timeout_s: How long, in seconds.
        what: What is being done, for the error.
        action: Is told how often it has failed before.

    Raises:
        ConfigError: Kafka refuses it.
        LogUnavailableError: It did not work in time.
    """
    last: BaseException | None = None
    failures = 0
    try:
        async with asyncio.timeout(timeout_s):
            while True:
                try:
                    return await action(failures)
                except BROKEN as error:
                    last = error
                    failures += 1
                    if isinstance(error, kafka.KafkaError) and not _passes(error):
                        raise translated(error, what) from error
                await asyncio.sleep(_PAUSES.wait_s(failures))
    except TimeoutError as error:
        because = f": {translated(last, 'last')}" if last else ""
        msg = f"{what}: Kafka did not answer within {timeout_s:g} s{because}"
        raise LogUnavailableError(msg) from (last or error)
    finally:
        del last  # its traceback holds this frame


def _passes(error: kafka.KafkaError) -> bool:
    """Whether the same request may work in a moment."""
    fleeting = (
        kafka.ReplicaNotAvailableError,
        kafka.BrokerNotAvailableError,
        kafka.NotControllerError,
        kafka.KafkaStorageError,
    )
    lasting = kafka.UnknownTopicOrPartitionError
    return (error.retriable or isinstance(error, fleeting)) and not isinstance(error, lasting)


async def ended(close: Callable[[], Coroutine[Any, Any, object]], *, timeout_s: float) -> bool:
    """Close a client within a deadline; return whether it has closed.

    In a task of its own: a client that cancels its tasks may pass that on to whoever closes it.
    """
    task = asyncio.create_task(close())
    await asyncio.wait({task}, timeout=timeout_s)
    await cancelled(task)
    return task.done() and not task.cancelled() and task.exception() is None


async def cancelled(*tasks: "asyncio.Task[Any] | None") -> None:
    """End tasks of a client that did not close."""
    for task in tasks:
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task}, timeout=1)
