"""The one kind of error that is the user's or the machine's, and that is shown as a line and never as a traceback."""

from __future__ import annotations


class FinwaitError(Exception):
    """Something a user did or a machine lacks: what happened, why, and what to try.

    The command prints it as one line and ends with status 2; inside a scenario the plugin shows the same line.

    Args:
        what: what was expected and what was seen instead, without a full stop.
        why: the likely cause.
        hint: what to try.
    """

    def __init__(self, what: str, *, why: str = "", hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.why = why
        self.hint = hint

    def __str__(self) -> str:
        parts = [self.what]
        if self.why:
            parts.append(self.why)
        if self.hint:
            parts.append(f"try: {self.hint}")
        return "; ".join(parts)


class Unsupported(FinwaitError):
    """This kernel or this machine lacks what is needed; a scenario that raises it is skipped with the reason."""


class TooBusy(FinwaitError):
    """Something else had the processors for so long that nothing was learnt; a scenario that raises it is lost.

    No ``Unsupported``: the same scenario says something on the same machine another time, so a skip would hide it.
    """

    def __init__(self, what: str) -> None:
        super().__init__(
            what,
            why="other programs kept this machine's processors busy",
            hint="finwait matrix --kernel uml-virtual:7.2, where time stands still meanwhile",
        )
