"""Writes down what a scenario calls while it runs, and makes a program of it in the end. Pure.

While a public method runs, the public methods that it calls in turn are not written down: they follow from it.
"""

from __future__ import annotations

import errno
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, TypeVar, cast

import msgspec

from harness.errors import FinwaitError
from harness.program.steps import (
    AnyStep,
    Call,
    Enter,
    Expect,
    Fail,
    Joined,
    Judge,
    Leave,
    Look,
    Open,
    Program,
    Ref,
    Send,
    Value,
)
from harness.program.values import encoded
from harness.tcp.segment import Segment
from harness.tcp.verdict import Reply

F = TypeVar("F", bound=Callable[..., Any])
_TELLING = (Call, Look, Expect)
_WITH_SEGMENT = (Open, Send, Expect)
_PORTS = re.compile("port|address|to")
"""The parameters in which a number may be a port, and is then written as whose port it is."""
_LEAST_PORT = 1024
"""A lab and its kernel choose none below."""
_LABEL = "flow_label"
"""Both a parameter and what a segment of the kernel's has: a number that the kernel chose."""
_COMMAND = "command"
"""The parameter whose texts may hold ports."""


class Recorded(Protocol):
    """What has methods that are steps."""

    @property
    def recording(self) -> Recording:
        """Where they are written down."""


class Taken(NamedTuple):
    """One step with the live things that it was about."""

    kind: type[AnyStep]
    on: object
    name: str
    args: tuple[object, ...]
    named: dict[str, object]
    gives: tuple[str, ...]
    result: object
    error: BaseException | None


class Symbol(NamedTuple):
    """What a value is, from a step on."""

    since: int
    value: int | str
    of: object
    attribute: str


class Recording:
    """What one scenario did up to now."""

    def __init__(self) -> None:
        self.busy = False
        self.taken: list[Taken] = []
        self.gaps: list[str] = []
        self._known: list[Symbol] = []

    def knows(self, value: int | str, of: object, attribute: str) -> None:
        """A port or a text that differs from lab to lab is written as this attribute of that thing from now on."""
        if isinstance(value, str) or value >= _LEAST_PORT:
            self._known.append(Symbol(len(self.taken), value, of, attribute))

    def gap(self, text: str) -> None:
        """Something was done that no step can say."""
        self.gaps.append(text)

    def judged(self, reply: Reply, name: str) -> None:
        """A reply has to be this alternative."""
        if not self.busy:
            self.taken.append(Taken(Judge, reply, "require", (name,), {}, (), None, None))

    def program(
        self,
        things: dict[str, object],
        setting: Program,
        failure: BaseException | None = None,
        outcome: str = "",
    ) -> Program:
        """What was done, as data.

        Args:
            things: what is there from the start, by name.
            setting: a program without steps, which says what the lab is.
            failure: what ended the scenario before its own end.
            outcome: what that stands for.
        """
        writer = _Writer(things, self._known)
        steps = [writer.step(number, taken) for number, taken in enumerate(self.taken)]
        last = self.taken[-1] if self.taken else None
        told = last is not None and (last.error is failure or (last.kind is Judge and bool(steps[-1].error)))
        if failure is not None and not told:
            text = str(failure.args[0]) if failure.args else type(failure).__name__
            steps.append(Fail(on="scenario", name=outcome, result=text))
        elif steps and failure is None and steps[-1].name == "finish" and not any(step.error for step in steps[-2:]):
            del steps[-1]  # every scenario ends with it; it stays where the step before would seem to have ended all
        gaps = (*dict.fromkeys((*self.gaps, *writer.gaps)),)
        return msgspec.structs.replace(setting, steps=tuple(steps), gaps=gaps)


class _Writer:
    """Turns what was taken into steps, and gives names to what they opened."""

    def __init__(self, things: dict[str, object], known: list[Symbol]) -> None:
        self.gaps: list[str] = []
        self._names = {id(thing): name for name, thing in things.items()}
        self._used = dict.fromkeys(things, 1)
        self._later = list(reversed(known))
        self._known: dict[int | str, list[Symbol]] = {}

    def _learn(self, number: int) -> None:
        """Take in what is known at a step."""
        while self._later and self._later[-1].since <= number:
            known = self._later.pop()
            self._known.setdefault(known.value, []).insert(0, known)

    def _learn_label(self, number: int, segment: Segment, asked: object) -> None:
        """A flow label that the scenario did not ask for is the kernel's own, and another one in the next lab."""
        if (label := segment.flow_label) and asked is None:
            self._known.setdefault(label, []).insert(0, Symbol(number, label, segment, _LABEL))

    def _known_as(self, value: int | str, *, label: bool = False) -> Ref | None:
        known = [one for one in self._known.get(value, ()) if (one.attribute == _LABEL) is label]
        names = ((self._names.get(id(one.of)), one.attribute) for one in known)
        return next((Ref(f"{name}.{attribute}".rstrip(".")) for name, attribute in names if name), None)

    def _named(self, value: object, parameter: str) -> Ref | Joined | None:
        if path := self._names.get(id(value)):
            return Ref(path)
        if isinstance(value, str):
            return self._known_as(value) or self._text(value, ports=parameter == _COMMAND)
        if isinstance(value, int) and value in self._known and (parameter == _LABEL or _PORTS.search(parameter)):
            return self._known_as(value, label=parameter == _LABEL)
        return None

    def _text(self, text: str, *, ports: bool) -> Joined | None:
        meant = {str(value): value for value in self._known if ports or isinstance(value, str)}
        known = [re.escape(value) for value in meant if value in text]
        parts = re.split(rf"(?<![\w.])({'|'.join(known)})(?!\w|\.\d)", text) if known else []
        items = tuple(self._known_as(meant.get(part, part)) or part for part in parts if part)
        return Joined(items) if any(isinstance(one, Ref) for one in items) else None

    def _value(self, value: object, parameter: str = "") -> Value:
        try:
            return encoded(value, self._named, parameter)
        except FinwaitError as error:
            self.gaps.append(str(error).partition("\n")[0])
            return None

    def _give(self, names: tuple[str, ...], result: object) -> tuple[str, ...]:
        several = result if isinstance(result, tuple) and len(names) > 1 else (result,)
        return tuple(self._name(name, one) for name, one in zip(names, several, strict=True))

    def _name(self, name: str, thing: object) -> str:
        if id(thing) not in self._names:
            self._used[name] = number = self._used.get(name, 0) + 1
            self._names[id(thing)] = name if number == 1 else f"{name}{number}"
        return self._names[id(thing)]

    def step(self, number: int, taken: Taken) -> AnyStep:
        """One step as data."""
        # before its result has a name: an argument cannot refer to it
        self._learn(number)
        names = itertools.chain(_parameters(getattr(type(taken.on), taken.name)), itertools.repeat(""))
        args = tuple([self._value(one, of) for of, one in zip(names, taken.args, strict=False)])
        named = {name: self._value(one, name) for name, one in taken.named.items()}
        on = self._names.get(id(taken.on), "")
        if not on:
            self.gaps.append(f"{taken.name}() of a {type(taken.on).__name__} that no step opened")
        segment, result = None, taken.result
        if isinstance(result, Reply):
            segment, found = result.segment, result.name
        else:
            segment, found = (result if isinstance(result, Segment) else None), None
        given = self._give(taken.gives, result) if taken.gives and result is not None else ()
        if given and taken.kind is Expect and segment is not None:
            self._learn_label(number, segment, taken.named.get(_LABEL))
        if given and isinstance(result, str):  # what the step made of the lab's numbers
            self._known.setdefault(result, []).insert(0, Symbol(number, result, result, ""))
        if taken.kind is Open and isinstance(result, tuple):  # an endpoint and its peer
            segment = getattr(result[-1], "opening", None)
        about = {"segment": segment} if taken.kind in _WITH_SEGMENT else {}
        return taken.kind(
            on=on,
            name=taken.name,
            args=args,
            named=named,
            gives=given,
            result=found if taken.gives else self._value(result) if taken.kind in _TELLING else None,
            error=_judged(taken.on, *taken.args) if taken.kind is Judge else _error_name(taken.error),
            **about,
        )


@functools.cache  # to look at a method takes longer than to write the step down
def _parameters(method: object) -> tuple[str, ...]:
    """The names of the arguments of a method, or of a property's setter."""
    _, *names = inspect.signature(method).parameters if callable(method) else ("self", "value")
    return tuple(names)


def _judged(reply: object, name: object) -> str:
    return "" if isinstance(reply, Reply) and reply.name == name else "Mismatch"


def _error_name(error: BaseException | None) -> str:
    if error is None:
        return ""
    if isinstance(error, OSError) and error.errno:
        return errno.errorcode.get(error.errno, str(error.errno))
    return type(error).__name__


def step(kind: type[AnyStep], *gives: str) -> Callable[[F], F]:
    """Make a step of a public method: it is recorded with its result.

    Args:
        kind: which; ``Enter`` for one that is used with ``with``, ``Assign`` for a property's setter.
        gives: what to call what it returns, or the parts of the tuple that it returns.
    """

    def decorate(function: F) -> F:
        name = function.__name__
        if kind is Enter:
            return _context(function)

        @functools.wraps(function)
        def recorded(self: Recorded, *args: object, **named: object) -> object:
            recording = self.recording
            if recording.busy:
                return function(self, *args, **named)
            recording.busy = True
            result: object = None
            failed: BaseException | None = None
            try:
                result = function(self, *args, **named)
            except BaseException as error:
                failed = error
                raise
            finally:
                recording.busy = False
                recording.taken.append(Taken(kind, self, name, args, named, gives, result, failed))
            return result

        return cast(F, recorded)

    return decorate


def _context(function: F) -> F:
    @functools.wraps(function)
    @contextmanager
    def recorded(self: Recorded, *args: object, **named: object) -> Iterator[object]:
        recording, name = self.recording, function.__name__
        if recording.busy:
            with function(self, *args, **named) as entered:
                yield entered
            return
        recording.taken.append(Taken(Enter, self, name, args, named, (), None, None))
        try:
            with function(self, *args, **named) as entered:
                yield entered
        finally:
            recording.taken.append(Taken(Leave, self, name, (), {}, (), None, None))

    return cast(F, recorded)
