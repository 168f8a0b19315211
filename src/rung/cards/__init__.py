"""What a revision is, for people and for programs: the model card, and the bill of materials.

Both are made of what is on record and of nothing else, so that the same record makes the same bytes. Called by
`rung card`.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.cards._bill import bill_of_materials
    from rung.cards._facts import Facts, gather, kept_insights
    from rung.cards._markdown import model_card
    from rung.cards._specification import read_front, read_sections

__all__ = ["Facts", "bill_of_materials", "gather", "kept_insights", "model_card", "read_front", "read_sections"]

__getattr__ = exports(
    __name__,
    {
        "Facts": "_facts",
        "bill_of_materials": "_bill",
        "gather": "_facts",
        "kept_insights": "_facts",
        "model_card": "_markdown",
        "read_front": "_specification",
        "read_sections": "_specification",
    },
)
