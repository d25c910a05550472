"""What optimizer_svc says again to a Kafka that it has not known."""

from contracts.topics import CONFIGURATIONS
from tradepulse.research.configurations import OWNER, list_configurations
from tradepulse.runtime import outbox
from tradepulse.runtime.db import Connection


async def tell_configurations(connection: Connection) -> None:
    """Queue the event of every configuration as it stands now, inside the caller's transaction."""
    # the outbox must keep the order of each one's revisions: no change may come in between
    await connection.execute("lock table trained_configurations in share row exclusive mode")
    await outbox.add_many(
        connection,
        OWNER,
        CONFIGURATIONS,
        [
            (str(row.configuration_id), row.event().model_dump_json().encode())
            for row in await list_configurations(connection)
        ],
    )
