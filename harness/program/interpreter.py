"""Runs a program in a session: the one interpreter of steps. Pure; what it calls is handed in."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from contextlib import AbstractContextManager, ExitStack
from typing import cast

from harness.errors import FinwaitError, Unsupported
from harness.program.steps import AnyStep, Assign, Enter, Fail, Leave, Program, Unsaid, Value
from harness.program.values import decoded, encoded
from harness.tcp.verdict import Due, Evidence, Mismatch, Outcome


def run(program: Program, things: Mapping[str, object]) -> None:
    """Run the steps; what a step raises ends the run, unless it raised the same when it was recorded and more followed.

    Args:
        program: what to do.
        things: what is there from the start, by name: ``session``, or ``path_session`` and ``path``.

    Raises:
        Mismatch: what a step expected did not happen, a call or a look gave something else, or none of the errors came.
        FinwaitError: the program is not the whole scenario, or names what is not there.
    """
    if program.gaps:
        raise FinwaitError("the program is not the whole scenario", why="; ".join(program.gaps))
    interpreter = _Interpreter(things)
    last = len(program.steps) - 1
    with interpreter.entered:
        for number, step in enumerate(program.steps):
            interpreter.take(step, last=number == last)


class _Interpreter:
    def __init__(self, things: Mapping[str, object]) -> None:
        self._things = dict(things)
        self.entered = ExitStack()

    def _resolve(self, path: str) -> object:
        first, *rest = path.split(".")
        if first not in self._things or any(name.startswith("_") for name in rest):
            raise FinwaitError(f"the program has no {path}", hint=", ".join(self._things))
        found = self._things[first]
        for name in rest:
            found = getattr(found, name)
        return found

    def take(self, step: AnyStep, *, last: bool) -> None:
        """Do one step."""
        if isinstance(step, Fail):
            raise _failure(step)
        if isinstance(step, Leave):
            self.entered.close()
            return
        if isinstance(step, Unsaid):
            return
        try:
            result = self._do(step)
        except (OSError, AssertionError, FinwaitError) as error:
            if last or _name(error) != step.error:
                raise
            return
        if step.error:
            due = (Due(f"{step.on}.{step.name}: {step.error}"),)
            raise Mismatch(Evidence(expected=due, observed=f"{result!r}"))
        if step.gives:
            several = result if isinstance(result, tuple) and len(step.gives) > 1 else (result,)
            self._things.update(zip(step.gives, several, strict=True))
        elif step.result is not None and (seen := _plain(result)) != step.result:
            due = (Due(f"{step.on}.{step.name} gives {step.result!r}"),)
            raise Mismatch(Evidence(expected=due, observed=f"{seen!r}"))

    def _do(self, step: AnyStep) -> object:
        thing = self._resolve(step.on)
        if step.name.startswith("_") or not hasattr(thing, step.name):
            raise FinwaitError(f"{step.name} is not a step of {step.on}", why="a program calls only public methods")
        args = [decoded(one, self._resolve) for one in step.args]
        named = {name: decoded(one, self._resolve) for name, one in step.named.items()}
        if isinstance(step, Assign):
            setattr(thing, step.name, args[0])
            return None
        result = getattr(thing, step.name)(*args, **named)
        if isinstance(step, Enter):
            self.entered.enter_context(cast(AbstractContextManager[object], result))
            return None
        return result


def _plain(result: object) -> Value:
    return encoded(result)


def _name(error: BaseException) -> str:
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, str(error.errno))
    return type(error).__name__


def _failure(step: Fail) -> BaseException:
    text = str(step.result)
    match step.name:
        case Outcome.DEVIATES:
            return AssertionError(text)
        case Outcome.UNSUPPORTED:
            return Unsupported(text)
    return FinwaitError(text)
