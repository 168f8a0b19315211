"""Hand-made requests whose answers must make sense whatever the model is. Each test returns its result.

One failing test rejects a revision. `client.predict` calls the service as a consumer would, here on both routes.
"""

from experiments.{{service}}.schema.request import Instance, Parameters
from experiments.{{service}}.schema.response import Sentiment
from experiments.{{service}}.schema.service import Route

HAPPY = "A wonderful, touching and very funny film, one of the best of the year."
UNHAPPY = "A dull, predictable and boring mess, with bad jokes and no story."


def test_happy_sentence_is_positive(client) -> bool:
    """The benchmark fails here: to it all sentences are the same."""
    return all(prediction.likeliest == Sentiment.POSITIVE for prediction in on_each_route(client, HAPPY))


def test_unhappy_sentence_is_negative(client) -> bool:
    return all(prediction.likeliest == Sentiment.NEGATIVE for prediction in on_each_route(client, UNHAPPY))


def test_more_praise_ranks_higher(client) -> bool:
    """The order holds wherever the line is drawn: a consumer that sorts by it needs nothing else."""
    return ranks_in_order(client, [UNHAPPY, "A film about a family.", "A good film about a family.", HAPPY])


def test_negation_takes_praise_back(client) -> bool:
    return ranks_in_order(client, ["This is not a good film.", "This is a good film."])


def test_hardly_any_words_are_undecided(client) -> bool:
    """Nothing speaks for either side, so neither may be sure; an emoji alone is no reason to fail."""
    predictions = [found for text in ("...", "?", "🎬") for found in on_each_route(client, text)]
    return all(max(prediction.negative, prediction.positive) < 0.75 for prediction in predictions)


def test_neighbours_do_not_matter(client) -> bool:
    """A sentence is read the same alone and beside others, and answers keep the order of the request."""
    sentences = [Instance(text=text) for text in (HAPPY, UNHAPPY, "It is a film.")]
    return all(
        close(together, client.predict([sentence], route=route)[0])
        for route in Route
        for sentence, together in zip(sentences, client.predict(sentences, route=route), strict=True)
    )


def test_temperature_softens_and_sharpens(client) -> bool:
    sharp, plain, soft = (
        client.predict([Instance(text=HAPPY)], parameters=Parameters(temperature=temperature), route="large")[0]
        for temperature in (0.5, 1.0, 5.0)
    )
    return sharp.positive > plain.positive > soft.positive > 1 / 3


def ranks_in_order(client, texts: list[str]) -> bool:
    """Tell whether each sentence is more likely positive than the one before, on each route."""
    instances = [Instance(text=text) for text in texts]
    answers = [[found.positive for found in client.predict(instances, route=route)] for route in Route]
    return all(ranks == sorted(set(ranks)) for ranks in answers)


def on_each_route(client, text: str) -> list:
    return [client.predict([Instance(text=text)], route=route)[0] for route in Route]


def close(one, other) -> bool:
    return all(abs(getattr(one, sentiment) - getattr(other, sentiment)) < 1e-6 for sentiment in Sentiment)
