"""`Features`: the mark of a handler's parameter that takes the features of a view."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from rung.errors import CallError

if TYPE_CHECKING:
    from rung.features._view import FeatureView

__all__ = ["Features"]

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")


class Features:
    """The features of a view, given to a handler: `stats=Depends(Features("house_stats"))`.

    The handler asks for those of its instances, all at once: `stats.of([one.house_id for one in request.instances])`.

    Args:
        view: The name of a view in the service's `features.py`, or a view that is there.
    """

    __slots__ = ("view",)

    def __init__(self, view: str | FeatureView) -> None:
        if isinstance(view, str) and not _NAME.fullmatch(view):
            raise ValueError(f"Features({view!r}) names no view: write the name that the view has in features.py")
        self.view = view

    @property
    def name(self) -> str:
        """The view's name."""
        return self.view if isinstance(self.view, str) else self.view.name

    def __call__(self) -> Any:
        """Be a dependency to FastAPI, which an application that would call it is refused for."""
        raise CallError(f"{self!r} is taken by a dependency", hint="let the handler itself take it")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Features) and other.view == self.view

    def __hash__(self) -> int:
        return hash(self.view)

    def __repr__(self) -> str:
        return f"Features({self.name!r})"
