"""The state of the services, as the API answers it."""

from studio_svc.web_app.views import View


class HealthView(View):
    """One service as its /readyz says."""

    service: str
    up: bool
    ready: bool
    detail: str
