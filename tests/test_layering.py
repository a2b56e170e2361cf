"""Imports run one way. The rules are data; the check is itself held against modules that break them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("harness", "netns", "reports", "scenarios")

# Who may import whom, by room: a module belongs to the longest name that it begins with, and may import its own room,
# the rooms listed here, and theirs in turn only where they are listed too. docs/design.md draws this.
PURE = ("harness.tcp", "harness.model", "harness.program")
GROUND = {"harness.errors", "harness.tcp", "harness.model", "harness.program", "harness.trace"}
LAB = GROUND | {"netns", "harness.wire"}
ROOMS: Mapping[str, set[str]] = {
    "netns": set(),
    "harness.errors": {"netns.errors"},  # the name by which the harness knows the errors of the lowest room
    "harness.tcp": {"harness.errors"},
    "harness.model": {"harness.errors", "harness.tcp"},
    "harness.program": {"harness.errors", "harness.tcp", "harness.model"},
    "harness.trace": {*GROUND, "netns"},
    "harness.ci": {"harness.errors", "harness.tcp", "harness.trace"},  # a run as CI systems take it; no lab, no pytest
    "harness.code": {"harness.errors", "harness.trace"},  # which lines of a kernel are reached, or a patch changes
    "harness.wire": LAB,
    "harness.leash": set(),
    "harness.process": {"harness.errors", "harness.leash"},
    "harness.probes": LAB,
    "harness.path": LAB,
    "harness.capture": {*PURE, "harness.errors", "harness.wire.decode"},  # captures of others; no lab
    "harness.live": LAB | {"harness.leash", "harness.probes", "harness.path"},
    "harness.packetdrill": LAB | {"harness.leash", "harness.live", "harness.path", "harness.probes"},
    "harness": LAB  # the names that scenarios import
    | {"harness.live", "harness.path", "harness.plugin.cells", "harness.plugin.markers", "harness.probes"},
    "harness.plugin": LAB
    | {"harness", "harness.live", "harness.path", "harness.probes", "harness.mutation", "harness.packetdrill"}
    | {"harness.ci"},
    "harness.mutation": GROUND,
    "harness.kernels": {"harness.errors", "harness.leash", "harness.process"},
    "harness.run": GROUND | {"harness", "harness.kernels", "harness.mutation", "harness.process"},
    "harness.cluster": GROUND | {"harness", "harness.explore", "harness.kernels", "harness.process", "harness.run"},
    "harness.explore": GROUND
    | {"harness.kernels", "harness.live.calibration", "harness.live.syscalls", "harness.probes", "harness.process"}
    | {"harness.code", "harness.run", "harness.wire", "netns"},  # steered by what of the code programs reach
    "harness.patch": GROUND  # a change of a kernel's source
    | {"harness.code", "harness.kernels", "harness.process", "harness.run"},
    "reports": GROUND | {"harness.code"},
    "harness.doctor": {"harness.machine", "netns"},
    "harness.machine": {"harness.probes.tracefs", "netns"},
    "harness.cli": GROUND
    | {"harness", "harness.doctor", "harness.kernels", "harness.plugin", "harness.process", "harness.run", "reports"}
    | {"harness.capture", "harness.ci", "harness.cluster", "harness.code", "harness.explore", "harness.packetdrill"}
    | {"harness.patch"},
    "harness.__main__": {"harness.cli"},
    "scenarios": {"harness"},
    "conftest": {"harness.plugin"},
}
MAY_USE_SCAPY = {"harness.wire.frames"}
PURE_THIRD_PARTY = {"msgspec", "cryptography"}
INSIDES = {
    *("lab", "dispatcher", "observer", "observers", "timeline", "wire", "flow", "kernel", "sysctls", "plan"),
    *("own", "inbox"),
}
"""Attributes of what a scenario works with that are the harness's own."""
FORBIDDEN_NAMES = {"utils", "util", "helpers", "misc", "common"}
RUNS = "reports/runs"
MOST_LINES = 300
MOST_FUNCTION_LINES = 60


def modules(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Every module of ours, by its dotted name; what a run has left in its folder is none."""
    for package in PACKAGES:
        for path in sorted((checkout / package).rglob("*.py")):
            if (checkout / RUNS) in path.parents:
                continue
            parts = path.relative_to(checkout).with_suffix("").parts
            yield ".".join(parts[:-1] if parts[-1] == "__init__" else parts), path
    if (checkout / "conftest.py").exists():
        yield "conftest", checkout / "conftest.py"


def imported(name: str, path: Path, known: set[str]) -> Iterator[tuple[int, str]]:
    """What a module imports, anywhere in it, with the line: `from a import b` is a.b where that is a module."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(), path)):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                yield node.lineno, whole if whole in known else base


def room_of(name: str) -> str | None:
    """The room that a module belongs to; None for one that has no place."""
    fitting = [room for room in ROOMS if name == room or (room != "harness" and name.startswith(f"{room}."))]
    return max(fitting, key=len, default=None)


def _objection(name: str, target: str) -> str | None:
    """Why a module may not import another of ours."""
    room, other = room_of(name), room_of(target)
    if room is None or room == other:
        return None  # without a place it is reported by itself
    allowed = ROOMS[room]
    if other in allowed or target in allowed:
        return None
    return f"{room} does not import {other or target}"


def _chains(name: str, path: Path) -> Iterator[str]:
    """Where a scenario reaches into a thing of the lab, past the thing's own public names."""
    if room_of(name) != "scenarios":
        return
    for node in ast.walk(ast.parse(path.read_text(), path)):
        if isinstance(node, ast.Attribute) and (node.attr in INSIDES or (node.attr.startswith("_") and not _own(node))):
            yield f"{path}:{node.lineno}: .{node.attr} is the harness's own; a scenario has its public names"


def _own(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _third_party_objection(name: str, target: str) -> str | None:
    top = target.partition(".")[0]
    if top in sys.stdlib_module_names or top in PACKAGES:
        return None
    if top == "scapy" and name not in MAY_USE_SCAPY:
        return f"scapy is imported in {', '.join(sorted(MAY_USE_SCAPY))} alone"
    if room_of(name) in PURE and top not in PURE_THIRD_PARTY:
        return "a pure module does not need it"
    if room_of(name) == "scenarios" and top != "pytest":
        return "a scenario has harness and pytest"
    return None


def _shape(name: str, path: Path) -> Iterator[str]:
    text = path.read_text()
    if name.rpartition(".")[2] in FORBIDDEN_NAMES:
        yield f"{path}: a module is named after what it holds"
    if (lines := text.count("\n")) > MOST_LINES:
        yield f"{path}: {lines} lines, {MOST_LINES} at most"
    for node in ast.walk(ast.parse(text, path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > MOST_FUNCTION_LINES:
                yield f"{path}:{node.lineno}: {node.name} has {length} lines, {MOST_FUNCTION_LINES} at most"


def _circles(arrows: dict[str, set[str]]) -> Iterator[str]:
    """Modules that import one another round about."""
    done: set[str] = set()

    def walk(name: str, path: tuple[str, ...]) -> Iterator[str]:
        if name in path:
            yield " -> ".join([*path[path.index(name) :], name]) + ": a circle"
        elif name not in done:
            for target in sorted(arrows.get(name, ())):
                yield from walk(target, (*path, name))
            done.add(name)

    for name in sorted(arrows):
        yield from walk(name, ())


def violations(checkout: Path) -> list[str]:
    """Every break of the rules below a checkout."""
    paths = dict(modules(checkout))
    found: list[str] = []
    arrows: dict[str, set[str]] = {}
    for name, path in paths.items():
        if room_of(name) is None:
            found.append(f"{path}: {name} has no room; give it a place in ROOMS of {Path(__file__).name}")
        for line, target in imported(name, path, set(paths)):
            ours = target.partition(".")[0] in PACKAGES
            why = _objection(name, target) if ours else _third_party_objection(name, target)
            if why:
                found.append(f"{path}:{line}: {name} imports {target}: {why}")
            if ours:
                arrows.setdefault(name, set()).add(target)
        found += [*_shape(name, path), *_chains(name, path)]
    return [*dict.fromkeys(found), *_circles(arrows)]


def test_imports_run_one_way() -> None:
    assert violations(CHECKOUT) == []


def test_the_walk_finds_the_modules() -> None:
    names = {name for name, _ in modules(CHECKOUT)}
    assert {"netns.lab", "harness.tcp.segment", "harness.errors", "harness", "harness.kernels.boot.backend"} <= names


def test_the_page_of_the_design_has_the_same_rooms() -> None:
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", (CHECKOUT / "docs" / "design.md").read_text(), re.MULTILINE)
    assert {room: set(re.findall(r"`([\w.]+)`", allowed)) for room, allowed in rows} == ROOMS


def test_no_class_has_the_name_of_another() -> None:
    homes: dict[str, list[str]] = {}
    for name, path in modules(CHECKOUT):
        if not name.startswith("scenarios"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, []).append(name)
    assert {name: where for name, where in homes.items() if len(where) > 1} == {}


def test_every_file_says_first_what_it_is_for() -> None:
    def first_line(path: Path) -> str:
        return (ast.get_docstring(ast.parse(path.read_text())) or "").partition("\n")[0]

    assert [str(path) for _, path in modules(CHECKOUT) if len(first_line(path)) < 15] == []


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("netns/lab.py", "import harness.errors", "netns does not import harness.errors"),
        ("netns/lab.py", "from harness import errors", "netns.lab imports harness.errors"),
        ("harness/tcp/options.py", "from harness.model.rfc9293 import answers", "harness.tcp does not import"),
        ("harness/tcp/options.py", "from ..model import rfc9293", "harness.tcp does not import harness.model"),
        ("harness/tcp/segment.py", "def f():\n    from ..trace.events import Sent", "does not import harness.trace"),
        ("harness/tcp/timing.py", "from netns.enter import Namespace", "harness.tcp does not import netns"),
        ("harness/tcp/timing.py", "import pyroute2", "a pure module does not need it"),
        ("harness/tcp/timing.py", "import pytest", "a pure module does not need it"),
        ("harness/tcp/timing.py", "from harness import ACK", "harness.tcp does not import harness"),
        ("harness/live/peer.py", "from harness import ACK", "harness.live does not import harness"),
        ("harness/wire/frames.py", "from harness.live.session import Session", "harness.wire does not import"),
        ("harness/probes/sockets.py", "import harness.live.session", "harness.probes does not import harness.live"),
        ("harness/live/session.py", "import reports.ladder", "harness.live does not import reports"),
        ("harness/run/matrix.py", "import reports.matrix", "harness.run does not import reports"),
        ("harness/live/session.py", "from scapy.all import IP", "scapy is imported in"),
        ("harness/plugin/hooks.py", "import harness.cli.main", "harness.plugin does not import harness.cli"),
        ("harness/kernels/boot/uml.py", "import harness.live.session", "harness.kernels does not import"),
        ("harness/kernels/boot/uml.py", "import netns.lab", "harness.kernels does not import netns"),
        ("reports/ladder.py", "import harness.live.session", "reports does not import harness.live"),
        ("reports/ladder.py", "import scapy", "scapy is imported in"),
        ("scenarios/closing/test_x.py", "import netns.lab", "scenarios does not import netns"),
        ("scenarios/closing/test_x.py", "from harness.errors import FinwaitError", "does not import harness.errors"),
        ("scenarios/closing/test_x.py", "from harness import errors", "scenarios does not import harness.errors"),
        ("scenarios/closing/test_x.py", "import hypothesis", "a scenario has harness and pytest"),
        ("scenarios/closing/test_x.py", "session.lab.open()", ".lab is the harness's own; a scenario has its public"),
        ("scenarios/closing/test_x.py", "session._stack.close()", "._stack is the harness's own"),
        ("scenarios/closing/test_x.py", "x = session.timeline", ".timeline is the harness's own"),
        ("conftest.py", "import harness.live.session", "conftest does not import harness.live"),
        ("harness/newcomer.py", "", "harness.newcomer has no room; give it a place"),
        ("reports/utils.py", "", "a module is named after what it holds"),
        ("reports/long.py", "x = 1\n" * 301, "301 lines, 300 at most"),
        ("reports/long.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines, 60 at most"),
    ],
)
def test_a_break_of_the_rules_is_reported(tmp_path: Path, module: str, source: str, complaint: str) -> None:
    for name in ("harness/errors.py", "harness/model/rfc9293.py", "harness/trace/events.py"):
        _write(tmp_path / name, "")
    _write(tmp_path / module, source)
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert complaint in found[0]
    assert str(tmp_path / module) in found[0]


def test_a_circle_within_a_room_is_reported(tmp_path: Path) -> None:
    _write(tmp_path / "harness/tcp/relative.py", "import harness.tcp.mutation")
    _write(tmp_path / "harness/tcp/mutation.py", "from harness.tcp.relative import FirstNumbers")
    circle = "harness.tcp.mutation -> harness.tcp.relative -> harness.tcp.mutation: a circle"
    assert violations(tmp_path) == [circle]


def test_what_the_rules_allow_is_not_reported(tmp_path: Path) -> None:
    allowed = {
        "harness/errors.py": "from netns.errors import FinwaitError",
        "harness/plugin/markers.py": "import pytest",
        "harness/tcp/timing.py": "import msgspec, enum",
        "harness/wire/frames.py": "import scapy.layers.l2\nfrom harness.tcp.segment import Segment\nimport netns.lab",
        "harness/cli/main.py": "import rich, harness.run.matrix, reports.x\nfrom harness.kernels.boot import uml",
        "harness/kernels/boot/uml.py": "import harness.errors\nfrom harness.kernels.boot import guest",
        "harness/trace/pcapng.py": "import struct\nfrom harness.trace.events import Frame",
        "scenarios/closing/test_x.py": "from harness import ACK\nimport pytest, socket\nself._epoll.poll()",
        "conftest.py": 'pytest_plugins = ["harness.plugin.hooks"]',
    }
    for name, source in allowed.items():
        _write(tmp_path / name, dedent(source))
    assert violations(tmp_path) == []


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source + "\n" * (not source.endswith("\n")))
