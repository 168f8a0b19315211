"""What answers predictions: the author's handlers as a FastAPI application.

Authors import `Artifact` and `create_serving_app` in `serve/app.py`. The control plane starts `rung.serving.server`.
"""

from rung.serving._app import create_serving_app, handlers_of, needed_artifacts
from rung.serving._artifact import Artifact, Artifacts, bind_artifacts, converted_artifacts
from rung.serving._bundle import Bundle, read_bundle, write_bundle
from rung.serving._custom import metric
from rung.serving._explaining import explained_artifact, native
from rung.serving._features import bind_features, missing_features, needed_features
from rung.serving._handler import Handler

__all__ = [
    "Artifact",
    "Artifacts",
    "Bundle",
    "Handler",
    "bind_artifacts",
    "bind_features",
    "converted_artifacts",
    "create_serving_app",
    "explained_artifact",
    "handlers_of",
    "metric",
    "missing_features",
    "native",
    "needed_artifacts",
    "needed_features",
    "read_bundle",
    "write_bundle",
]
