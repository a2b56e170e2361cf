"""Keeps a misspelt attribute of what a scenario holds from being set in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING


class ClosedNames:
    """A thing that has all its public attributes once it is made: to set another one is its author's mistake.

    Names that begin with an underscore stay open.
    """

    _closed = False  # set at the end of ``__init__``

    if not TYPE_CHECKING:  # to the type checker this method would open every name

        def __setattr__(self, name: str, value: object) -> None:
            if self._closed and name not in self.__dict__ and name[0] != "_" and not hasattr(type(self), name):
                kind = type(self).__name__
                # with both arguments, as Python's own: whoever tells of it can look for the nearest names
                raise AttributeError(f"{kind!r} object has no attribute {name!r} to set", name=name, obj=self)
            object.__setattr__(self, name, value)
