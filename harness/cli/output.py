"""Standard output, of which a reader may have had enough, and which may be a file on a full disk."""

from __future__ import annotations

import os
import sys
from typing import NoReturn

from rich.console import Console


class Output(Console):
    """Standard output, as wide as it is.

    Raises:
        BrokenPipeError: by all that prints, where the reader has gone.
    """

    def __init__(self) -> None:
        super().__init__(highlight=False, markup=False, soft_wrap=True)

    def on_broken_pipe(self) -> NoReturn:
        """Rich would end the program with status 1, as if something had been found (``Console`` of rich 15)."""
        raise BrokenPipeError


def discard() -> None:
    """Nothing more is said, nor flushed at the end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
