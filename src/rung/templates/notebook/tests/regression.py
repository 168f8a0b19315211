"""Hand-made requests whose answers must make sense whatever the model is. Each test returns its result.

One failing test rejects a revision. Still to be written: what must hold in your field, as that a larger house costs
more.
"""

from experiments.{{service}}.schema.request import EXAMPLE, Instance

EXAMPLE_INSTANCE = Instance.model_validate(EXAMPLE)


def test_neighbours_do_not_matter(client) -> bool:
    """An instance has the same answer alone and beside others."""
    [alone] = client.predict([EXAMPLE_INSTANCE])
    return client.predict([EXAMPLE_INSTANCE] * 3) == [alone] * 3
