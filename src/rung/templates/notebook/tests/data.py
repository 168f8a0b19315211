"""Metrics over the held-out rows, through the service itself. Promotion compares them with the incumbent's.

X_test is a list of Instance, y_test the truths. A new metric is one more function.
"""

import numpy as np
from rung.testing import goal


{{data_test}}
