"""The state machine of TCP as SVG: which of its transitions were reached, and on which kernels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import hypot

from harness.model.requirements import Catalogue
from harness.tcp.verdict import Outcome
from reports.coverage import UNTESTED, CoverageRow
from reports.picture import in_xml

_WIDTH, _HEIGHT = 860, 660
_BOX = 132, 58
_PLACES = {
    "CLOSED": (430, 40),
    "LISTEN": (150, 110),
    "SYN-SENT": (710, 130),
    "SYN-RECEIVED": (150, 230),
    "ESTABLISHED": (430, 290),
    "FIN-WAIT-1": (150, 390),
    "CLOSE-WAIT": (710, 390),
    "FIN-WAIT-2": (150, 510),
    "CLOSING": (430, 450),
    "LAST-ACK": (710, 510),
    "TIME-WAIT": (430, 610),
}
_BEND = 22  # how far an arrow's middle stands aside, so that one back lies beside it
_REACHED = (Outcome.CONFORMS, Outcome.DEVIATES)


@dataclass(frozen=True, slots=True)
class _Arrows:
    """All transitions from one state to another."""

    rows: tuple[CoverageRow, ...]

    @property
    def said(self) -> str:
        reached = sum(_reached(row) for row in self.rows)
        return f"{reached} of {len(self.rows)}"

    @property
    def kind(self) -> str:
        seen = {outcome for row in self.rows for outcome in row.outcomes}
        return next((str(one) for one in reversed(_REACHED) if one in seen), UNTESTED)

    def title(self, kernels: Sequence[str]) -> str:
        return "\n".join(
            f"{row.id}  {row.text}: "
            + ", ".join(f"{outcome} on {name}" for name, outcome in zip(kernels, row.outcomes, strict=True))
            for row in self.rows
        )


def _reached(row: CoverageRow) -> bool:
    return any(outcome in _REACHED for outcome in row.outcomes)


def state_machine(catalogue: Catalogue, rows: Iterable[CoverageRow], kernels: Sequence[str]) -> str:
    """The picture.

    Args:
        catalogue: with the transitions.
        rows: of a coverage; those of transitions are drawn.
        kernels: by their names, in the order of a row's outcomes.
    """
    found: dict[tuple[str, str], list[CoverageRow]] = {}
    for row in rows:
        if arrow := catalogue.transitions.get(row.id):
            found.setdefault((arrow.from_state, arrow.to_state), []).append(row)
    arrows = {ends: _Arrows(tuple(members)) for ends, members in found.items()}
    drawn = [part for ends, one in arrows.items() for part in _arrow(*ends, one, kernels)]
    boxes = [part for state in _PLACES for part in _box(state, arrows, kernels)]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="machine" width="{_WIDTH}" height="{_HEIGHT}" '
        f'viewBox="0 0 {_WIDTH} {_HEIGHT}" role="group" aria-label="the state machine">'
        '<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0L8 4L0 8z" fill="context-stroke"/></marker></defs>' + "".join([*drawn, *boxes]) + "</svg>"
    )


def _arrow(start: str, end: str, one: _Arrows, kernels: Sequence[str]) -> Iterator[str]:
    if start == end or (end == "CLOSED" and start not in ("LISTEN", "SYN-SENT")):
        return
    (x1, y1), (x2, y2) = _PLACES[start], _PLACES[end]
    length = hypot(x2 - x1, y2 - y1)
    across, down = (x2 - x1) / length, (y2 - y1) / length
    middle = (x1 + x2) / 2 - down * _BEND, (y1 + y2) / 2 + across * _BEND
    tail, head = _edge((x1, y1), middle), _edge((x2, y2), middle)
    title = in_xml(one.title(kernels))
    yield (
        f'<g class="k-{one.kind}"><title>{title}</title><path class="way" marker-end="url(#tip)" '
        f'd="M{tail[0]:.0f} {tail[1]:.0f}Q{middle[0]:.0f} {middle[1]:.0f} {head[0]:.0f} {head[1]:.0f}"/>'
    )
    if 0 < sum(map(_reached, one.rows)) < len(one.rows):
        x, y = (tail[0] + 2 * middle[0] + head[0]) / 4, (tail[1] + 2 * middle[1] + head[1]) / 4
        yield f'<text x="{x:.0f}" y="{y:.0f}">{one.said}</text>'
    yield "</g>"


def _edge(centre: tuple[float, float], towards: tuple[float, float]) -> tuple[float, float]:
    """Where the line from a box's centre leaves the box."""
    across, down = towards[0] - centre[0], towards[1] - centre[1]
    wide, high = _BOX[0] / 2 + 3, _BOX[1] / 2 + 3
    part = min(wide / abs(across) if across else 9e9, high / abs(down) if down else 9e9)
    return centre[0] + across * part, centre[1] + down * part


def _box(state: str, arrows: dict[tuple[str, str], _Arrows], kernels: Sequence[str]) -> Iterator[str]:
    x, y = _PLACES[state]
    left, top = x - _BOX[0] // 2, y - _BOX[1] // 2
    yield f'<g class="state"><rect x="{left}" y="{top}" width="{_BOX[0]}" height="{_BOX[1]}" rx="6"/>'
    yield f'<text class="name" x="{x}" y="{y - 12}">{in_xml(state)}</text>'
    for shift, what, end in ((7, "stays", state), (22, "ends", "CLOSED")):
        one = arrows.get((state, end))
        if one and (what == "stays" or state != "CLOSED"):
            title = in_xml(one.title(kernels))
            yield f'<text class="k-{one.kind}" x="{x}" y="{y + shift}">{what} {one.said}'
            yield f"<title>{title}</title></text>"
    yield "</g>"
