"""Takes the addresses of Python objects out of what a failure says: they tell nothing, and are others in each run."""

from __future__ import annotations

import re

from _pytest._code.code import ExceptionChainRepr, ReprEntry

_ADDRESS = re.compile(r" (?:object )?at 0x[0-9a-f]+")


def without_addresses(text: str) -> str:
    """The text without them."""
    return _ADDRESS.sub("", text)


def clean(shown: object) -> None:
    """Take them out of a traceback as pytest shows it, with the arguments and the variables of each function."""
    if not isinstance(shown, ExceptionChainRepr):
        return
    for trace, crash, _ in shown.chain:
        if crash is not None:
            crash.message = without_addresses(crash.message)
        for entry in trace.reprentries:
            entry.lines = [without_addresses(line) for line in entry.lines]
            if isinstance(entry, ReprEntry) and entry.reprfuncargs is not None:
                told = entry.reprfuncargs.args
                entry.reprfuncargs.args = [(name, without_addresses(str(value))) for name, value in told]
            if isinstance(entry, ReprEntry) and entry.reprlocals is not None:
                entry.reprlocals.lines = [without_addresses(line) for line in entry.reprlocals.lines]
