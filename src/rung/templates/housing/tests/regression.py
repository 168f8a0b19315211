"""Hand-made requests whose answers must make sense whatever the model is. Each test returns its result.

One failing test rejects a revision. `client.predict` calls the service as a consumer would.
"""

from experiments.{{service}}.schema.request import EXAMPLE, Instance, Parameters

HOUSE = Instance.model_validate(EXAMPLE)


def test_bigger_is_dearer(client) -> bool:
    """More living area, all else equal. The benchmark fails here: to it all houses are the same."""
    small, large = client.predict([house(living_area_sqft=1_000), house(living_area_sqft=2_400)])
    return small.price < large.price


def test_garage_is_no_loss(client) -> bool:
    without, attached = client.predict([house(garage="none", garage_area_sqft=0), HOUSE])
    return without.price <= attached.price


def test_new_is_not_cheaper_than_old(client) -> bool:
    old, new = client.predict([house(year_built=1900), house(year_built=1990)])
    return old.price <= new.price


def test_prices_are_of_this_county(client) -> bool:
    """In these years common houses went for more than $5,000, and none for $1,000,000."""
    valued = client.predict([HOUSE, house(rooms=4, bedrooms=2, living_area_sqft=800), house(lot_area_sqft=40_000)])
    return all(5_000 <= prediction.price <= 1_000_000 for prediction in valued)


def test_unmeasured_plot_is_valued(client) -> bool:
    """Frontage and depth are often unknown; that alone must not halve or double a price."""
    known, unknown = client.predict([HOUSE, house(frontage_ft=None, depth_ft=None)])
    return known.price / 2 <= unknown.price <= known.price * 2


def test_neighbours_do_not_matter(client) -> bool:
    """A house has the same price alone and beside others, and answers keep the order of the request."""
    houses = [house(living_area_sqft=area) for area in (900, 3_000, 1_500)]
    return client.predict(houses) == [client.predict([one])[0] for one in houses]


def test_prices_are_rounded_as_asked(client) -> bool:
    [prediction] = client.predict([HOUSE], parameters=Parameters(round_to=1000))
    return prediction.price % 1000 == 0


def house(**changes) -> Instance:
    """Give the example house with some fields changed."""
    return HOUSE.model_copy(update=changes)
