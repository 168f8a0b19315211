"""Models, and the one way from instances to what they read. Serving uses the same `to_texts`, so the two cannot differ.

All further preprocessing is inside the estimators: it is stored, deployed and rolled back with them.
"""

from collections.abc import Sequence

import numpy as np
from sklearn.dummy import DummyClassifier
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline, make_union

from experiments.{{service}}.schema.request import Instance

BUCKETS = 2**15  # that words, and runs of letters, are hashed into; twice as many gain nothing
ITERATIONS = 500  # after which fitting gives up; it needs about 50


def to_texts(instances: Sequence[Instance]) -> list[str]:
    """Give the texts: one for each sentence, in order."""
    return [instance.text for instance in instances]


def benchmark() -> DummyClassifier:
    """Give every sentence the shares of the classes: what doing nothing would achieve."""
    return DummyClassifier(strategy="prior")


def words(*, vocabulary: int) -> Pipeline:
    """Each of the commonest words moves the sentence by a fixed weight: small, quick, and open to reading.

    The words themselves are part of the artifact: 2,000 are 1 MB and loaded in a tenth of a second.
    """
    return make_pipeline(
        TfidfVectorizer(max_features=vocabulary, dtype=np.float32),
        LogisticRegression(max_iter=ITERATIONS),
    )


def words_and_letters() -> Pipeline:
    """All words, pairs of them, and runs of four and five letters: it knows "not funny", and words that it never met.

    Hashing needs no vocabulary, so the artifact is a table of weights: 0.8 MB, loaded in milliseconds.
    """
    features = make_union(
        _hashed(analyzer="word", ngram_range=(1, 2)),
        _hashed(analyzer="char_wb", ngram_range=(4, 5)),
    )
    return make_pipeline(
        features,
        TfidfTransformer(sublinear_tf=True),
        LogisticRegression(C=4, max_iter=ITERATIONS),
    )


def _hashed(**settings) -> HashingVectorizer:
    """Count without signs or scaling: both belong to the weighting that follows."""
    return HashingVectorizer(n_features=BUCKETS, alternate_sign=False, norm=None, dtype=np.float32, **settings)
