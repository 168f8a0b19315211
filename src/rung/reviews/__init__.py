"""What a change means for a service: the table that people review, from the code before and after, and from runs.

`side` describes a service in its own process, since two versions of one package cannot be imported in one. What
differs is decided purely; it is posted as a comment, which is written anew rather than added to. Called by
`rung review`; and by `rung diff`, which tells any two revisions or runs apart.
"""

from typing import TYPE_CHECKING

from rung._lazy import exports

if TYPE_CHECKING:
    from rung.reviews._compare import Change, Review, compare
    from rung.reviews._difference import Difference
    from rung.reviews._gather import gather
    from rung.reviews._markdown import markdown
    from rung.reviews._post import Forge, find_forge, post
    from rung.reviews._versions import diff

__all__ = ["Change", "Difference", "Forge", "Review", "compare", "diff", "find_forge", "gather", "markdown", "post"]

__getattr__ = exports(
    __name__,
    {
        "Change": "_compare",
        "Difference": "_difference",
        "Forge": "_post",
        "Review": "_compare",
        "compare": "_compare",
        "diff": "_versions",
        "find_forge": "_post",
        "gather": "_gather",
        "markdown": "_markdown",
        "post": "_post",
    },
)
