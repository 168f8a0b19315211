"""Why a model says what it says: exact terms where it is linear, SHAP or sampled values elsewhere; what matters to it.

Authors write `@explained` above a handler in `serve/app.py`. Serving then answers `?explain=true`, and evaluation keeps
what matters on the whole with the run. `shap` is imported for models that need it, and nothing here on the way of a
request that asks for no explanation.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.explain._explanation import Explanation, NotExplainableError, Output
    from rung.explain._global import GLOBAL_EXPLANATION, ROWS, Importance, Summary, importance, summarise
    from rung.explain._linear import explain_linear
    from rung.explain._mark import Explained, explained, explained_of
    from rung.explain._model import explain_model, explain_use
    from rung.explain._sampled import Sampling, plan_sampling, settle_sampling
    from rung.explain._shap import explain_shap

__all__ = [
    "GLOBAL_EXPLANATION",
    "ROWS",
    "Explained",
    "Explanation",
    "Importance",
    "NotExplainableError",
    "Output",
    "Sampling",
    "Summary",
    "explain_linear",
    "explain_model",
    "explain_shap",
    "explain_use",
    "explained",
    "explained_of",
    "importance",
    "plan_sampling",
    "settle_sampling",
    "summarise",
]

__getattr__ = exports(
    __name__,
    {
        **dict.fromkeys(("Explanation", "NotExplainableError", "Output"), "_explanation"),
        **dict.fromkeys(("GLOBAL_EXPLANATION", "ROWS", "Importance", "Summary", "importance", "summarise"), "_global"),
        **dict.fromkeys(("Explained", "explained", "explained_of"), "_mark"),
        **dict.fromkeys(("explain_model", "explain_use"), "_model"),
        **dict.fromkeys(("Sampling", "plan_sampling", "settle_sampling"), "_sampled"),
        "explain_linear": "_linear",
        "explain_shap": "_shap",
    },
)
