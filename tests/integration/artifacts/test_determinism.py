"""The same value gives the same digest in another process, on another day, with other hashes and more threads."""

import subprocess
import sys

import pytest

PROGRAM = """
import datetime, enum, sys
import numpy as np, polars as pl, pandas as pd
from scipy import sparse
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from rung import artifacts

noise = [bytearray(b"x" * size) for size in range(64, 4096, 64) for _ in range(int(sys.argv[1]))]  # other memory
del noise
words = [f"word{n}" for n in range(200)]
generator = np.random.default_rng(0)
X = generator.normal(size=(300, 3))
frame = pl.DataFrame({"a": X[:, 0], "t": [words[n % 50] for n in range(300)]})
texts = [" ".join(words[n % 150 : n % 150 + 9]) for n in range(100)]
values = {
    "json": {"b": 1.5, "a": [1, (2, None)], "nan": float("nan")},
    "set": {"b", "a", "c", ("x", frozenset({"y", "z"})), datetime.date(2026, 1, 1)},
    "polars": frame,
    "pandas": pd.DataFrame({"a": X[:, 0], "t": [words[n % 50] for n in range(300)]}),
    "tensors": {"w": X, "b": X[0]},
    "sparse": sparse.csr_matrix(X > 0),
    "forest": make_pipeline(StandardScaler(), RandomForestRegressor(5, random_state=0, n_jobs=2)).fit(X, X.sum(axis=1)),
    "boosting": HistGradientBoostingClassifier(max_iter=5, random_state=0).fit(X, X[:, 0] > 0),
    "text": make_pipeline(TfidfVectorizer(stop_words=["word3"]), LogisticRegression()).fit(texts, [0, 1] * 50),
    "columns": ColumnTransformer([("one", OneHotEncoder(), [0])], remainder="passthrough").fit(np.round(X)),
}
for name, value in values.items():
    print(name, artifacts.digest_of(artifacts.encode(value)))
"""


def digests(seed: str) -> dict[str, str]:
    environment = {"PYTHONHASHSEED": seed, "POLARS_MAX_THREADS": str(1 + int(seed)), "PATH": "/usr/bin:/bin"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, seed], check=True, capture_output=True, text=True, env=environment
    )
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.mark.timeout(120)
def test_processes_agree_on_digests():
    first, second = digests("1"), digests("2")
    assert len(first) == 10
    assert first == second
