"""What commands that queue a job have in common: they follow it, and Ctrl-C leaves it at work."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any
from uuid import UUID

import typer

from tradepulse.cli.errors import INTERRUPTED

if TYPE_CHECKING:
    from rich.console import Console

    from tradepulse.research.jobs import JobStatus

_POLL_S = 0.5


class JobCommand:
    """One call of the command; `job_id` is known from the moment the job is in the database.

    Args:
        noun: what the job is called.
        command: of `tradepulse`, by which one is followed and cancelled.
    """

    def __init__(self, noun: str, command: str) -> None:
        self._noun, self._command = noun, command
        self.job_id: UUID | None = None

    def see_through(self, work: Coroutine[Any, Any, None]) -> None:
        """Run the command; who is interrupted says how the job, if there is one, is found again."""
        try:
            asyncio.run(work)
        except KeyboardInterrupt:
            if self.job_id is not None:
                again = f"`tradepulse {self._command}"
                typer.echo(
                    f"{self._noun} {self.job_id} goes on; follow it with {again} --follow "
                    f"{self.job_id}`, stop it with {again} --cancel {self.job_id}`",
                    err=True,
                )
            raise typer.Exit(INTERRUPTED) from None


async def until_final(
    status: Callable[[], Awaitable["JobStatus"]],
    doing: Callable[["JobStatus", float, "Console"], Awaitable[str]],
) -> "JobStatus":
    """Show a job's progress until it has ended; return how.

    Args:
        status: asks where it stands.
        doing: says what goes on, of the job and the seconds since it is followed; what is to stay
            on the screen goes to the console.
    """
    from tradepulse.library.progress import progress_bar

    waited = 0.0
    with progress_bar() as progress:
        task = progress.add_task("Waiting", total=None)
        while not (job := await status()).is_final:
            said = await doing(job, waited, progress.console)
            progress.update(task, description=said, completed=job.done, total=job.total or None)
            await asyncio.sleep(_POLL_S)
            waited += _POLL_S
    return job
