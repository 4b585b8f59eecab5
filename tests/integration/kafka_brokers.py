"""Brokers that a test may break, and one that asks who is there."""

import subprocess
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from harness.kafka import Brokers, running

USER, PASSWORD = "ugc", "a password of this test"

QUICK_TO_FORGET = {
    "auto.create.topics.enable": "true",
    "log.retention.check.interval.ms": "300",
    "log.initial.task.delay.ms": "300",
}
"""A broker as careless as they come: it makes topics up, and drops what is old at once."""


@contextmanager
def guarded_broker(folder: Path, *, others: Sequence[str] = ()) -> Iterator[Brokers]:
    """Run a broker that wants TLS and a password, and lets only `USER` do anything.

    `others` may sign in with the same password, by PLAIN, and do what ACLs let them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _certificate(folder)
    plain = "org.apache.kafka.common.security.plain.PlainLoginModule"
    scram = "org.apache.kafka.common.security.scram.ScramLoginModule"
    users = " ".join(f'user_{name}="{PASSWORD}"' for name in (USER, "stranger", *others))
    name = "listener.name.client"
    settings = {
        f"{name}.ssl.keystore.type": "PEM",
        f"{name}.ssl.keystore.location": str(folder / "broker.pem"),
        f"{name}.sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-512",
        f"{name}.plain.sasl.jaas.config": f"{plain} required {users};",
        f"{name}.scram-sha-512.sasl.jaas.config": f"{scram} required;",
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:{USER};User:ANONYMOUS",
    }
    scram_user = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
    with running(
        folder, settings=settings, protocol="SASL_SSL", prepare=["--add-scram", scram_user]
    ) as brokers:
        yield brokers


def _certificate(folder: Path) -> None:
    """Make a certificate for 127.0.0.1 that vouches for itself."""
    key, certificate = folder / "key.pem", folder / "ca.pem"
    subprocess.run(
        [
            *("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
            *("-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"),
            *("-keyout", str(key), "-out", str(certificate)),
        ],
        check=True,
        capture_output=True,
        timeout=30,
    )
    both = key.read_text("utf-8") + certificate.read_text("utf-8")
    (folder / "broker.pem").write_text(both, "utf-8")
