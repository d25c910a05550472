"""What a service of event time has around it, faked: its topics and the relay of its outbox."""

from collections.abc import Callable, Collection, Sequence

from contracts.topics import Topic
from tradepulse.runtime.delivery import Delivery


class Reading:
    """A topic of which nothing comes by itself; keeps why messages were put aside."""

    def __init__(self, topic: Topic) -> None:
        self.topic = topic
        self.is_behind = False
        self.is_idle = True
        self.aside: list[str] = []

    def pause_only(self, numbers: Collection[int]) -> None:
        pass

    async def put_aside(self, refused: Sequence[tuple[Delivery, str]]) -> None:
        self.aside += [reason for _, reason in refused]


class Waker:
    """A relay that counts how often it was woken."""

    def __init__(self) -> None:
        self.woken = 0
        self.to_tell: list[Callable[[], None]] = []

    def wake(self, published: Callable[[], None] | None = None) -> None:
        self.woken += 1
        if published is not None:
            self.to_tell.append(published)
