"""Why a broker that is there does not take us: asked on a connection of its own.

aiokafka only logs what broke a connection, and raises the same error whether nobody answers, the
password is wrong, or the certificate is not believed.
"""

import ssl

from aiokafka.conn import create_conn
from aiokafka.errors import KafkaError, SaslAuthenticationFailed, UnsupportedSaslMechanismError

from tradepulse.runtime.kafka import KafkaAddress, client_options

_ASKED_MS = 5_000


async def refusal(kafka: KafkaAddress) -> str | None:
    """Say in one line why a broker refuses us; None where none answers or one takes us."""
    options = client_options(kafka)
    for address in options.pop("bootstrap_servers").split(","):
        host, _, port = address.rpartition(":")
        broker = f"the Kafka broker at {address}"
        try:
            connection = await create_conn(host, int(port), request_timeout_ms=_ASKED_MS, **options)
        except SaslAuthenticationFailed as error:
            why = " ".join(str(error.args[0]).split())
            return f"{broker} refuses the login: {why}; see KAFKA_USERNAME and KAFKA_PASSWORD_FILE"
        except UnsupportedSaslMechanismError:
            mechanism = options["sasl_mechanism"]
            return f"{broker} takes no login by {mechanism}; see KAFKA_SASL_MECHANISM"
        except ssl.SSLCertVerificationError as error:
            return (
                f"the certificate of {broker} is not believed: {error.verify_message}; "
                "see KAFKA_CA_FILE, and that the broker is called so"
            )
        except ssl.SSLError as error:
            return f"{broker} speaks no TLS with us: {error.reason}; see KAFKA_SECURITY_PROTOCOL"
        except (KafkaError, OSError, TimeoutError):
            continue
        connection.close()
        return None
    return None
