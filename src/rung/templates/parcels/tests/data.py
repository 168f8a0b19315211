"""Metrics over the held-out houses, through the service itself. Promotion compares them with the incumbent's.

X_test is a list of Instance, y_test their sale prices in dollars. A new metric is one more function.
"""

import numpy as np
from rung.testing import goal


@goal.maximize
def within_10_percent(client, X_test, y_test) -> float:
    """Share of valuations within 10 % of the price: the business metric, on historical sales."""
    return float(np.mean(relative_errors(client, X_test, y_test) <= 0.10))


@goal.minimize
def mean_absolute_percentage_error(client, X_test, y_test) -> float:
    """Mean error relative to the price; 0.2 is 20 %."""
    return float(np.mean(relative_errors(client, X_test, y_test)))


@goal.maximize
def r2(client, X_test, y_test) -> float:
    """Share of the variance of prices that is explained; dear houses weigh most."""
    prices = np.asarray(y_test)
    residual = prices - valuations(client, X_test)
    return float(1 - np.sum(residual**2) / np.sum((prices - prices.mean()) ** 2))


def relative_errors(client, X_test, y_test) -> np.ndarray:
    prices = np.asarray(y_test)
    return np.abs(valuations(client, X_test) - prices) / prices


def valuations(client, X_test) -> np.ndarray:
    return np.array([prediction.price for prediction in client.predict(X_test)])
