"""Configurations with their history, as the API answers them."""

from typing import Any

from studio_svc.shared.configurations import ConfigurationView
from studio_svc.web_app.views import View


class ConfigurationEventView(View):
    """One line of a configuration's history: a change, or a verdict that changed nothing."""

    at: int
    from_stage: str | None
    to_stage: str
    is_active: bool
    reason: str
    evidence: dict[str, Any]
    by_person: bool


class ConfigurationDetailView(ConfigurationView):
    """One configuration with its history, oldest first."""

    events: list[ConfigurationEventView]
