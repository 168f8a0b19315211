"""Metrics over the held-out sentences, through the service itself. Promotion compares them with the incumbent's.

X_test is a list of Instance, y_test their classes as readers see them. A new metric is one more function. Both routes
are measured: a revision must not pay for one with the other.
"""

import numpy as np
from rung.testing import goal

from experiments.{{service}}.schema.response import Sentiment

NEVER = 1e-15  # stands for a probability of 0, whose logarithm there is not


@goal.maximize
def accuracy_large(client, X_test, y_test) -> float:
    """Share of sentences whose likeliest class is the readers': the business metric, on rated sentences."""
    return accuracy(client.predict(X_test, route="large"), y_test)


@goal.maximize
def accuracy_small(client, X_test, y_test) -> float:
    return accuracy(client.predict(X_test, route="small"), y_test)


@goal.minimize
def log_loss_large(client, X_test, y_test) -> float:
    """Surprise at the readers' class: the whole distribution counts, and being sure and wrong costs most."""
    return log_loss(client.predict(X_test, route="large"), y_test)


@goal.minimize
def log_loss_small(client, X_test, y_test) -> float:
    return log_loss(client.predict(X_test, route="small"), y_test)


@goal.minimize
def opposite_large(client, X_test, y_test) -> float:
    """Share of sentences whose praise is taken for blame, or blame for praise: the guardrail, on rated sentences."""
    opposites = {Sentiment.NEGATIVE: Sentiment.POSITIVE, Sentiment.POSITIVE: Sentiment.NEGATIVE}
    pairs = zip(client.predict(X_test, route="large"), y_test, strict=True)
    return float(np.mean([opposites.get(prediction.likeliest) == truth for prediction, truth in pairs]))


def accuracy(predictions, y_test) -> float:
    pairs = zip(predictions, y_test, strict=True)
    return float(np.mean([prediction.likeliest == truth for prediction, truth in pairs]))


def log_loss(predictions, y_test) -> float:
    pairs = zip(predictions, y_test, strict=True)
    given = np.array([getattr(prediction, truth) for prediction, truth in pairs])
    return float(-np.mean(np.log(np.maximum(given, NEVER))))
