"""Why a broker that is there does not take us: asked on a connection of its own.

aiokafka only logs what broke a connection, and raises the same error whether nobody answers, the
password is wrong, or the certificate is not believed.
"""

import ssl

from aiokafka.conn import create_conn
from aiokafka.errors import (
    BrokerResponseError,
    IllegalSaslStateError,
    KafkaError,
    SaslAuthenticationFailed,
    UnsupportedSaslMechanismError,
)

from tradepulse.runtime.kafka import KafkaAddress, client_options

_ASKED_MS = 5_000
_REFUSED: dict[type[BrokerResponseError], str] = {
    SaslAuthenticationFailed: "see KAFKA_USERNAME and KAFKA_PASSWORD_FILE",
    UnsupportedSaslMechanismError: "see KAFKA_SASL_MECHANISM",
    IllegalSaslStateError: "see KAFKA_SECURITY_PROTOCOL",
}


async def refusal(kafka: KafkaAddress) -> str | None:
    """Say in one line why a broker refuses us; None where none answers or one takes us."""
    options = client_options(kafka)
    for address in options.pop("bootstrap_servers").split(","):
        host, _, port = address.rpartition(":")
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=_ASKED_MS, **options)
        except tuple(_REFUSED) as error:
            remedy = next(text for kind, text in _REFUSED.items() if isinstance(error, kind))
            return f"the Kafka broker at {address} refuses the login ({_said(error)}): {remedy}"
        except ssl.SSLCertVerificationError as error:
            return (
                f"the certificate of the Kafka broker at {address} is not believed "
                f"({error.verify_message}): see KAFKA_CA_FILE, and that the broker is called so"
            )
        except ssl.SSLError as error:
            return (
                f"the Kafka broker at {address} does not speak TLS as we do ({error.reason}): "
                "see KAFKA_SECURITY_PROTOCOL"
            )
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
        return None
    return None


def _said(error: KafkaError) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())
