"""The state of the services, as the API answers it."""

from studio_svc.web_app.views import View


class HealthView(View):
    """One service as its /readyz says."""

    service: str
    up: bool
    ready: bool
    detail: str
    trouble: str | None = None
    """What it cannot do although it is ready, as to follow a market that does not answer."""
