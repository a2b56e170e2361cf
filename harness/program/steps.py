"""What a scenario does as frozen records: calls of public names, their arguments, and their results. Pure.

Every step has one shape and a tag that says its kind, so that whoever makes, alters, prints or runs programs needs no
class per method. What each may be given is what the method of that name takes.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from harness.tcp.segment import Segment


class Octets(msgspec.Struct, frozen=True, tag="bytes"):
    """Bytes as a value; JSON has none."""

    data: bytes


class Ref(msgspec.Struct, frozen=True, tag="ref"):
    """A thing of the lab by the name that a step gave it, or one of its numbers: ``server``, ``server.port``."""

    path: str


class Made(msgspec.Struct, frozen=True, tag="made"):
    """A value of one of ``harness.program.values.KINDS`` with the fields that it was given."""

    kind: str
    fields: dict[str, Value]


class Joined(msgspec.Struct, frozen=True, tag="joined"):
    """A text with names in it, such as an option that holds what the kernel gave."""

    items: tuple[str | Ref, ...]


class Several(msgspec.Struct, frozen=True, tag="several"):
    """Values in a row."""

    items: tuple[Value, ...]


Value = None | bool | int | float | str | Octets | Ref | Made | Joined | Several
"""What stands in an argument or is a result."""


class StepFields(msgspec.Struct, frozen=True, kw_only=True, tag_field="step", omit_defaults=True):
    """One step.

    Args:
        on: whose method it is, by name; ``session`` and ``path`` are always there.
        name: of the method, or of the attribute that is set.
        args: in order.
        named: by name.
        gives: the names of what it returned, more than one where it is a tuple; empty for what nobody refers to.
        result: what it returned, where that is plain data.
        error: how it ended where it raised: an errno's name, or that of an exception.
    """

    on: str
    name: str
    args: tuple[Value, ...] = ()
    named: dict[str, Value] = {}
    gives: tuple[str, ...] = ()
    result: Value = None
    error: str = ""


class Open(StepFields, frozen=True, kw_only=True, tag="open"):
    """A socket, a peer or a connection is there from now on; ``segment`` is the SYN with which a kernel opened it."""

    segment: Segment | None = None


class Send(StepFields, frozen=True, kw_only=True, tag="send"):
    """The peer makes or sends segments or an ICMP error; ``segment`` is what was made of the arguments."""

    segment: Segment | None = None


class Expect(StepFields, frozen=True, kw_only=True, tag="expect"):
    """The kernel has to do something: send one of several segments in time, or nothing, or tell of an error.

    ``segment`` is what it sent, ``result`` the name of the alternative.
    """

    segment: Segment | None = None


class Allow(StepFields, frozen=True, kw_only=True, tag="allow"):
    """What need not be expected from now on."""


class Judge(StepFields, frozen=True, kw_only=True, tag="judge"):
    """Which of the alternatives it has to have been."""


class Call(StepFields, frozen=True, kw_only=True, tag="call"):
    """A system call of an endpoint, or a command in a namespace."""


class Look(StepFields, frozen=True, kw_only=True, tag="look"):
    """What the kernel knows: a socket's state, its TCP_INFO, counters."""


class Wait(StepFields, frozen=True, kw_only=True, tag="wait"):
    """Until a time is over, or all that was sent is taken in."""


class PathRule(StepFields, frozen=True, kw_only=True, tag="rule"):
    """What the path does with segments."""


class Assign(StepFields, frozen=True, kw_only=True, tag="assign"):
    """An attribute of a peer's has another value from now on: ``args`` holds it."""


class Enter(StepFields, frozen=True, kw_only=True, tag="enter"):
    """What is entered as a context, up to the ``Leave`` of the same name."""


class Leave(StepFields, frozen=True, kw_only=True, tag="leave"):
    """The end of a ``Enter``."""


class Fail(StepFields, frozen=True, kw_only=True, tag="fail"):
    """How the scenario's own Python ended it: ``name`` is the outcome, ``result`` its text."""


class Unsaid(StepFields, frozen=True, kw_only=True, tag="unsaid"):
    """What whoever made the program found in its origin, and no step says: ``name`` is what, ``result`` its text.

    It is a comment at its place, and does nothing. A program that is another one without it has a gap of that name too.
    """


AnyStep = Open | Send | Expect | Allow | Judge | Call | Look | Wait | PathRule | Assign | Enter | Leave | Fail | Unsaid


class Program(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A scenario as it ran.

    Args:
        topology: ``session`` for a peer and a kernel, ``path_session`` for two kernels.
        settings: of the lab, by the name of the fixture that sets them, where they are not the default.
        shared: whether other scenarios had the lab before and after it.
        waits: seconds that it waits in all, where it says so: above REAL_WAIT, a kernel in real time is not asked.
        steps: in order.
        gaps: what it did that no step can say, so that the program is not all of it.
        script: the packetdrill script that it was made of; empty for none.
    """

    topology: str = "session"
    settings: dict[str, bool | int] = {}
    shared: bool = False
    waits: float = 0
    steps: tuple[AnyStep, ...] = ()
    gaps: tuple[str, ...] = ()
    script: str = ""


def referred(value: Value) -> Iterator[str]:
    """The names that a value refers to."""
    match value:
        case Ref(path):
            yield path.partition(".")[0]
        case Made(_, fields):
            for one in fields.values():
                yield from referred(one)
        case Several(items) | Joined(items):
            for one in items:
                yield from referred(one)


def names_used(steps: tuple[AnyStep, ...]) -> set[str]:
    """Every name that a later step refers to."""
    values = [value for step in steps for value in (*step.args, *step.named.values())]
    return {step.on for step in steps} | {name for value in values for name in referred(value)}
