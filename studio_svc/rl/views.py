"""The portfolio's weights, as the API answers and the stream pushes them."""

from studio_svc.web_app.views import View


class WeightsView(View):
    """The last weight vector; what is missing to 1 stays cash.

    `budget` is what the weights sum to at most, `model_id` names the model that is followed.
    `fallback` says why the portfolio's own policy did not decide; `policy` did in its place.
    """

    portfolio: str
    close_time: int
    policy: str
    weights: dict[str, float]
    missing: list[str]
    budget: float = 1.0
    model_id: str | None = None
    fallback: str | None = None
