"""A broker and a database server that ask for TLS and passwords, and what speaks to them."""

import datetime as dt
import ipaddress
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.database_roles import make_roles
from tests.integration.system import System
from tradepulse.embedded.children import Children
from tradepulse.embedded.kafka import EmbeddedKafka
from tradepulse.embedded.ports import HOST, free_ports
from tradepulse.embedded.postgres import DATABASE, EmbeddedPostgres
from tradepulse.runtime.db import connect
from tradepulse.runtime.kafka import KafkaSettings
from tradepulse.runtime.settings import DatabaseAddress
from tradepulse.strategies.evaluate import Configuration

ROOT = Path(__file__).parents[2]
OPERATOR = "tradepulse_operator"
USERS = (
    "market_ingest",
    "signal_svc",
    "rl_svc",
    "executor_svc",
    "optimizer_svc",
    "studio_svc",
    OPERATOR,
)
"""Of Kafka."""
ROLES = (
    *(*USERS, "rl_trainer", "tradepulse_owner"),
    *("tradepulse_backup", "tradepulse_monitor", "tradepulse_read"),
)
_DAY = dt.timedelta(days=1)


class Authority:
    """A certificate authority of this test run, which signs one server's certificate.

    Attributes:
        ca: its own certificate, PEM.
        key: the server's key, PEM, unencrypted.
        certificate: the server's certificate for `HOST`, PEM.
        keystore: both of the server in one file.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        own, server = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"CA of {folder.name}")])
        self.ca, self.key = folder / "ca.pem", folder / "server.key"
        self.certificate, self.keystore = folder / "server.pem", folder / "keystore.pem"
        root = _certificate(name, name, own.public_key()).add_extension(
            x509.BasicConstraints(ca=True, path_length=0), critical=True
        )
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
        host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))])
        leaf = _certificate(subject, name, server.public_key()).add_extension(host, critical=False)
        pem = serialization.Encoding.PEM
        key = server.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        self.ca.write_bytes(root.sign(own, hashes.SHA256()).public_bytes(pem))
        self.certificate.write_bytes(leaf.sign(own, hashes.SHA256()).public_bytes(pem))
        self.key.write_bytes(key)
        self.keystore.write_bytes(key + self.certificate.read_bytes())


def _certificate(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey
) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _DAY)
        .not_valid_after(now + _DAY)
    )


@dataclass(frozen=True, slots=True)
class Logins:
    """The password of each user in a file of its own, as containers get them.

    Attributes:
        folder: of the files.
        ca: whose certificates are believed.
    """

    folder: Path
    ca: Path

    def file(self, user: str) -> Path:
        """Return the file with a user's password, made at the first call."""
        path = self.folder / user
        if not path.exists():
            path.write_text(f"secret of {user}\n")
        return path

    def kafka(self, user: str, bootstrap_servers: str, **more: object) -> dict[str, str]:
        """Return the environment of who speaks to the broker as a user."""
        given = {
            "KAFKA_BOOTSTRAP_SERVERS": bootstrap_servers,
            "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
            "KAFKA_USERNAME": user,
            "KAFKA_PASSWORD_FILE": self.file(user),
            "KAFKA_CA_FILE": self.ca,
            **more,
        }
        return {name: str(value) for name, value in given.items()}

    def kafka_settings(self, user: str, bootstrap_servers: str, **more: object) -> KafkaSettings:
        """Return the same as settings."""
        given = self.kafka(user, bootstrap_servers, **more)
        return KafkaSettings(**{name.lower(): value for name, value in given.items()})  # type: ignore[arg-type]  # as the environment has them


class SecuredKafka(EmbeddedKafka):
    """A broker by `deploy/kafka/secured.properties`."""

    def __init__(
        self, folder: Path, children: Children, authority: Authority, logins: Logins
    ) -> None:
        self.logins = logins
        text = (ROOT / "deploy" / "kafka" / "secured.properties").read_text()
        for word, value in (
            ("KEYSTORE_FILE", authority.keystore),
            ("CA_FILE", authority.ca),
            ("KAFKA_PASSWORD", "secret of the broker"),
        ):
            text = text.replace(word, str(value))
        passwords = {"kafka": "secret of the broker"} | {
            user: logins.file(user).read_text().strip() for user in USERS
        }
        super().__init__(
            folder,
            children,
            properties=text,
            format_options=[
                part
                for user, password in passwords.items()
                for part in ("--add-scram", f"SCRAM-SHA-512=[name={user},password={password}]")
            ],
        )

    def address(self) -> KafkaSettings:
        """Return how the operator speaks to it, who also gives the others their rights."""
        return self.logins.kafka_settings(OPERATOR, self.bootstrap_servers, KAFKA_ACLS="1")


class SecuredPostgres(EmbeddedPostgres):
    """A server that asks for passwords on TCP, and before it what speaks TLS.

    The server that comes along is built without TLS, so its half of it is done here: it answers
    the client's request for TLS as a server does, and hands on what is inside.

    Attributes:
        port: where TLS is spoken.
    """

    def __init__(self, folder: Path, children: Children, authority: Authority) -> None:
        super().__init__(folder, children, durable=False)
        self.port, self._plain = free_ports(2)
        rules = folder.parent / f"{folder.name}_hba.conf"
        rules.write_text("local all all trust\nhost all all 127.0.0.1/32 scram-sha-256\n")
        # the server may run as another user than the tests
        rules.parent.chmod(0o755)
        self._settings = self._settings | {
            "listen_addresses": HOST,
            "port": str(self._plain),
            "hba_file": str(rules),
        }
        self._front = [
            *(sys.executable, "-m", "tests.integration.tls_front", str(self.port)),
            *(str(self._plain), str(authority.certificate), str(authority.key)),
        ]

    def url(self, database: str = DATABASE) -> str:
        """Give the address by the socket."""
        return super().url(database).replace("port=5432", f"port={self._plain}")

    async def start(self) -> None:
        """Start both."""
        await super().start()
        self._children.spawn(
            "tls", self._front, log=self._folder / "tls.log", env=dict(os.environ), cwd=ROOT
        )


async def give_passwords(database_url: str, logins: Logins) -> None:
    """Give each role its password."""
    connection = await connect(database_url)
    try:
        for role in ROLES:
            password = logins.file(role).read_text().strip()
            await connection.execute(f"alter role {role} password '{password}'")
    finally:
        await connection.close()


class SecuredSystem(System):
    """The services of one run, each with the user, the role and the passwords of its own."""

    def __init__(
        self, kafka: SecuredKafka, server: SecuredPostgres, database_url: str, folder: Path
    ) -> None:
        super().__init__(kafka.address(), database_url, folder)
        self.bootstrap_servers = kafka.bootstrap_servers
        self._port = server.port
        self.logins = kafka.logins

    async def prepare(self, configurations: Sequence[Configuration]) -> None:
        """Make the roles with their passwords, and do what every system does."""
        await make_roles(self.database_url)
        await give_passwords(self.database_url, self.logins)
        await super().prepare(configurations)

    def reach(self, role: str) -> dict[str, str]:
        """Return how a service reaches the broker and the database, both by TLS."""
        database = urlsplit(self.database_url).path
        return {
            **self.logins.kafka(role, self.bootstrap_servers),
            "DATABASE_URL": f"postgresql://{role}@{HOST}:{self._port}{database}"
            f"?sslmode=verify-full&sslrootcert={self.logins.ca}",
            "DATABASE_PASSWORD_FILE": str(self.logins.file(role)),
        }

    def address_of_database(self, role: str) -> str:
        """Return the address with its password."""
        given = {name.lower(): value for name, value in self.reach(role).items()}
        return DatabaseAddress(**given).database_url  # type: ignore[arg-type]  # as the environment has them

    def wrong_password(self) -> str:
        """Return a file with a password that nobody has."""
        file = self.folder / "wrong"
        file.write_text("a wrong word\n")
        return str(file)

    def other_authority(self) -> str:
        """Return the certificate of an authority that signed nothing here."""
        folder = self.folder / "other"
        return str(folder / "ca.pem" if folder.exists() else Authority(folder).ca)
