"""What the demo's revisions are to find out; the document of the first one comes with the template."""

from __future__ import annotations

LINEAR = "# Value houses by a linear model\n"

BOOSTING = """\
# Value houses by gradient boosting

## Intention

Be within 10 % of the price for more of the valuation desk's customers than the linear model of v1.m1.

## Hypothesis

Prices are not linear in place and size: trees are within 10 % for at least one house in three.

## Approach

The same data, features and held-out houses; gradient boosting in place of the linear model, and nothing else.

## What would change our mind

Less than the linear model has on the same houses, or no difference that customers notice in the A/B test.
"""

SMALLER = """\
# Value houses by a much smaller model

## Intention

Answer faster.

## Hypothesis

Ten trees answer faster than three hundred, and customers do not notice.

## Approach

The boosting of v1.m2 with ten trees; everything else stays as it is.

## What would change our mind

A valuation that is significantly worse on the same held-out houses.
"""
