"""Configurations with their history, and jobs, as the API answers them."""

from typing import Any, Literal
from uuid import UUID

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


class JobView(View):
    """One job: `done` of `total` are trials of a search, percent of a validation."""

    job_id: UUID
    kind: Literal["search", "validation"]
    status: str
    done: int
    total: int
    cancel_requested: bool
    spec: dict[str, Any]
    error: str | None
    created_at: int
    started_at: int | None
    finished_at: int | None
