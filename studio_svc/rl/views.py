"""The portfolio's weights, as the API answers and the stream pushes them."""

from studio_svc.web_app.views import View


class WeightsView(View):
    """The last weight vector; what is missing to 1 stays cash."""

    portfolio: str
    close_time: int
    policy: str
    weights: dict[str, float]
    missing: list[str]
