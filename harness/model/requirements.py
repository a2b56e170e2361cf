"""What TCP is held to: the requirements of the RFCs and the transitions of the state machine, by number. Pure.

Three tables lie beside this module. Scenarios cite ids of the first two, or a section of an RFC
(``RFC9293-3.10.7.4``); which sections RFC 9293 has stands in the third.
"""

from __future__ import annotations

import csv
import difflib
import functools
import io
import itertools
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import TypeVar

from harness.errors import FinwaitError

STATES = (
    "CLOSED",
    "LISTEN",
    "SYN-SENT",
    "SYN-RECEIVED",
    "ESTABLISHED",
    "FIN-WAIT-1",
    "FIN-WAIT-2",
    "CLOSE-WAIT",
    "CLOSING",
    "LAST-ACK",
    "TIME-WAIT",
)
"""The eleven states of RFC 9293 3.3.2."""

_SECTION = re.compile(r"RFC[1-9]\d{0,4}-(\d+|[A-Z])(\.\d+)*")
_TESTABLE = ("yes", "partly", "no")

Row = TypeVar("Row", "Requirement", "Transition", "RfcSection")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One thing that an RFC asks for.

    Args:
        id: ``RFC`` and its number, and what the RFC calls it (``MUST-13``) or a section and a count.
        rfc: the RFC's number.
        section: of the RFC; several with ``;`` between them.
        level: MUST, SHOULD and so on; ``rule`` where the text tells without such a word, ``hazard`` for what
            an RFC warns of.
        summary: in a sentence.
        applies_to: the part of TCP that it is about.
        testable: whether it shows on the wire: ``yes``, ``partly`` or ``no``.
        how: by what it shows, or why it does not.
    """

    id: str
    rfc: int
    section: str
    level: str
    summary: str
    applies_to: str
    testable: str
    how: str


@dataclass(frozen=True, slots=True)
class Transition:
    """One arrow of the state machine, those included that lead back to where they began.

    Args:
        id: ``FSM-`` and a number of three digits.
        from_state: one of ``STATES``.
        event: a segment, a call of the user's, or a timer.
        action: what is sent or told.
        to_state: one of ``STATES``.
        notes: what else is to be said.
        source: figure or section of RFC 9293 unless another is named; empty for what Linux has and no RFC.
    """

    id: str
    from_state: str
    event: str
    action: str
    to_state: str
    notes: str
    source: str


@dataclass(frozen=True, slots=True)
class RfcSection:
    """A section of an RFC: its id as scenarios cite it, and its title."""

    id: str
    title: str


@dataclass(frozen=True, slots=True)
class Catalogue:
    """The tables, by id, in their own order.

    Args:
        requirements: of all RFCs.
        transitions: of the state machine.
        sections: the title of each section; an RFC has all of its sections here, or none.
    """

    requirements: Mapping[str, Requirement]
    transitions: Mapping[str, Transition]
    sections: Mapping[str, str]

    @property
    def ids(self) -> tuple[str, ...]:
        """All ids that a scenario may cite, besides sections."""
        return (*self.requirements, *self.transitions)

    def text(self, cited: str) -> str:
        """What a cited requirement or transition says, or the section's title, in a line; empty where no table says."""
        if requirement := self.requirements.get(cited):
            return requirement.summary
        if transition := self.transitions.get(cited):
            return f"{transition.from_state}: {transition.event} -> {transition.to_state}"
        return self.sections.get(cited, "")

    def objection(self, cited: str) -> str | None:
        """Why a scenario cannot cite this, with the nearest ids; None where it can."""
        if cited in self.requirements or cited in self.transitions or cited in self.sections:
            return None
        if _SECTION.fullmatch(cited) is None:
            return _none("requirement", cited, difflib.get_close_matches(cited, self.ids, n=3, cutoff=0.6))
        rfc = cited.partition("-")[0]
        listed = [one for one in self.sections if one.startswith(f"{rfc}-")]
        nearest = sorted(listed, key=lambda one: _common(one, cited), reverse=True)[:3]
        return _none("section", cited, nearest) if listed else None


def _common(section: str, other: str) -> int:
    """How many numbers two sections have in common from the front."""
    pairs = zip(section.split("."), other.split("."), strict=False)
    return sum(1 for _ in itertools.takewhile(lambda pair: pair[0] == pair[1], pairs))


def _none(what: str, cited: str, near: list[str]) -> str:
    return f"there is no {what} {cited!r}" + (f"; near it are {', '.join(near)}" if near else "")


def parse(requirements: str, transitions: str, sections: str) -> Catalogue:
    """The catalogue in the text of its tables.

    Raises:
        FinwaitError: a column is missing, an id comes twice or is not of its RFC, or a state is none of the eleven.
            The table and the line are named.
    """
    return Catalogue(
        _table("tcp_requirements.csv", requirements, _requirement),
        _table("tcp_transitions.csv", transitions, _transition),
        {one.id: one.title for one in _table("tcp_sections.csv", sections, _section).values()},
    )


@functools.cache
def load() -> Catalogue:
    """The project's catalogue."""
    folder = files("harness.model") / "data"
    names = ("requirements", "transitions", "sections")
    return parse(*((folder / f"tcp_{name}.csv").read_text(encoding="utf-8") for name in names))


def _table(name: str, text: str, make: Callable[[dict[str, str]], Row]) -> dict[str, Row]:
    found: dict[str, Row] = {}
    reader = csv.DictReader(io.StringIO(text), strict=True)
    try:
        for content in reader:
            row = make(content)
            if row.id in found:
                raise ValueError(f"the id {row.id} comes again")
            found[row.id] = row
    except KeyError as error:
        raise FinwaitError(f"{name} has no column {error}") from error
    except (ValueError, csv.Error) as error:
        raise FinwaitError(f"{name}, line {reader.line_num}: {error}") from error
    return found


def _requirement(row: dict[str, str]) -> Requirement:
    testable, _, how = row["testable_at_wire"].partition(":")
    _hold(testable in _TESTABLE, f"testable_at_wire is {testable!r} and not one of {', '.join(_TESTABLE)}")
    _hold(row["id"].startswith(f"RFC{row['rfc']}-"), f"the id {row['id']!r} is not one of RFC {row['rfc']}")
    _hold(bool(row["summary"].strip() and row["section"].strip() and row["level"].strip()), f"{row['id']} says nothing")
    names = ("id", "section", "level", "summary", "applies_to")
    return Requirement(**{name: row[name] for name in names}, rfc=int(row["rfc"]), testable=testable, how=how.strip())


def _transition(row: dict[str, str]) -> Transition:
    _hold(re.fullmatch(r"FSM-\d{3}", row["id"]) is not None, f"the id {row['id']!r} is not FSM- and three digits")
    for state in (row["from_state"], row["to_state"]):
        _hold(state in STATES, f"{state!r} is none of the eleven states")
    names = ("id", "from_state", "event", "action", "to_state", "notes", "source")
    return Transition(**{name: row[name] for name in names})


def _section(row: dict[str, str]) -> RfcSection:
    one = RfcSection(f"RFC{row['rfc']}-{row['section']}", row["title"])
    _hold(_SECTION.fullmatch(one.id) is not None, f"{one.id!r} is not the id of a section")
    return one


def _hold(true: bool, otherwise: str) -> None:
    if not true:
        raise ValueError(otherwise)


def objections(cited: Iterable[tuple[str, str]], catalogue: Catalogue) -> list[str]:
    """One line for each id that scenarios cite and that does not exist.

    Args:
        cited: who cites, and the id.
        catalogue: what there is.
    """
    found: dict[str, list[str]] = {}
    for scenario, one in cited:
        if objection := catalogue.objection(one):
            found.setdefault(objection, []).append(scenario)
    return [
        f"{scenarios[0]}{f' and {len(scenarios) - 1} more' if len(scenarios) > 1 else ''}: {objection}"
        for objection, scenarios in found.items()
    ]
