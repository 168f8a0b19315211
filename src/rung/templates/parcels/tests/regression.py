"""Hand-made requests whose answers must make sense whatever the model is. Each test returns its result.

One failing test rejects a revision. `client.predict` calls the service as a consumer would.
"""

from datetime import date

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters

HOUSE = Instance.model_validate(EXAMPLE)
COTTAGES = (4_799, 21_446, 21_991, 22_656, 23_999)  # of 520 to 668 square feet
MANSIONS = (1_901, 6_822, 8_410, 17_731, 23_117)  # of 3,811 to 4,796 square feet


def test_mansions_are_dearer_than_cottages(client) -> bool:
    """The benchmark fails here: to it all houses are the same."""
    cottages, mansions = (client.predict([house(parcel=number) for number in few]) for few in (COTTAGES, MANSIONS))
    return max(cottage.price for cottage in cottages) < min(mansion.price for mansion in mansions)


def test_prices_are_of_this_county(client) -> bool:
    """In these years common houses went for more than $5,000, and none for $1,000,000."""
    valued = client.predict([HOUSE, *(house(parcel=number) for number in (*COTTAGES, *MANSIONS))])
    return all(5_000 <= prediction.price <= 1_000_000 for prediction in valued)


def test_neighbours_do_not_matter(client) -> bool:
    """A house has the same price alone and beside others, and answers keep the order of the request."""
    houses = [house(parcel=number) for number in MANSIONS]
    return client.predict(houses) == [client.predict([one])[0] for one in houses]


def test_prices_are_rounded_as_asked(client) -> bool:
    [prediction] = client.predict([HOUSE], parameters=Parameters(round_to=1000))
    return prediction.price % 1000 == 0


def test_a_day_does_not_move_the_price_much(client) -> bool:
    """A sale nearby becomes known overnight; that alone must not halve or double a price."""
    first, second = client.predict([house(valued_on=date(1996, 6, 15)), house(valued_on=date(1996, 6, 16))])
    return first.price / 2 <= second.price <= first.price * 2


def house(**changes) -> Instance:
    """Give the example house with some fields changed."""
    return HOUSE.model_copy(update=changes)
