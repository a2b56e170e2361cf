"""Imports run one way. The rules are data; the check is itself held against modules that break them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from textwrap import dedent

import pytest

CHECKOUT = Path(__file__).parents[1]
PACKAGES = ("harness", "netns", "reports", "scenarios")

# From the ground up: a module may import what stands below it, and within its own layer what does not import it back.
# Who is named by a prefix ending in `.*` stands for all modules below it.
PURE: Sequence[Sequence[str]] = (
    ("harness.errors",),
    ("harness.options", "harness.timing", "harness.stopwatch"),
    ("harness.segment",),
    (
        "harness.pattern",
        "harness.origin",
        "harness.tamper",
        "harness.dissect",
        "harness.offer",
        "harness.standing",
        "harness.datagram",
    ),
    ("harness.path", "harness.path.rules"),
    ("harness.path.frames", "harness.path.working", "harness.path.engine", "harness.path.ruling"),
    ("harness.verdict",),
    ("harness.timeline",),
    ("harness.arrival",),
    ("harness.baseline", "harness.marks", "harness.catalogue", "harness.derive"),
    ("harness.known", "harness.statetable"),
)
IMPURE: Sequence[Sequence[str]] = (
    (
        "harness.syscalls",
        "harness.runfolder",
        "harness.craft",
        "harness.machine",
        "harness.selection",
        "harness.packets",
    ),
    ("harness.wire", "harness.marker", "harness.endpoint", "harness.probes", "harness.probes.*"),
    ("harness.path.messages", "harness.path.passages", "harness.path.pump", "harness.path.process"),
    ("harness.icmp",),
    ("harness.hub", "harness.endings", "harness.bench"),
    ("harness.sender",),
    ("harness.peer", "harness.insight"),
    ("harness.path.inbox", "harness.path.path", "harness.sides", "harness.judging"),
    ("harness.session",),
    ("harness.duo",),
    ("harness.states", "harness.flights", "harness.distance"),
    ("harness.calibration",),
    ("harness",),  # the names that scenarios import
    ("harness.program", "harness.nginx"),
    ("harness.recorder", "harness.preconditions", "harness.doctor", "harness.progress"),
    ("harness.jobs",),
    ("harness.matrix",),
    ("harness.rounds",),
    ("harness.mutate",),
    ("harness.pytest_plugin", "harness.reproduce", "harness.kernel_verbs"),
    ("harness.fixtures", "harness.state_fixtures", "harness.cells", "harness.waiting", "harness.cli"),
    ("harness.__main__",),
)
LAYERS = (*PURE, *IMPURE)
PURE_MODULES = {name for layer in PURE for name in layer}

# Packages that stand beside the layers: who of ours each may import, besides its own modules.
LOWEST = "netns"
BESIDE = {
    "netns": {"netns"},
    "harness.kernels": {"harness.kernels"} | PURE_MODULES,
    "reports": {"reports"} | PURE_MODULES,
}
MAY_USE_SCAPY = {"harness.wire", "harness.marker", "harness.craft", "reports.pcapng"}
PURE_THIRD_PARTY = {"msgspec"}
THIRD_PARTY_OF = {"harness.marks": {"pytest"}}
# harness.errors is the name by which the harness knows the errors of the lowest layer
ALSO = {"harness.errors": {"netns.errors"}}
# the first layer that may import the packages that stand beside
FIRST_TO_KNOW_BESIDE = next(number for number, layer in enumerate(LAYERS) if "harness.program" in layer)
FORBIDDEN_NAMES = {"utils", "util", "helpers", "misc", "common"}
MOST_LINES = 300
MOST_FUNCTION_LINES = 60


def modules(checkout: Path) -> Iterator[tuple[str, Path]]:
    """Every module of ours, by its dotted name."""
    for package in PACKAGES:
        for path in sorted((checkout / package).rglob("*.py")):
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


def height(name: str) -> int | None:
    """The layer of a module, counted from the ground; None for one that has no place."""
    for number, layer in enumerate(LAYERS):
        for row in layer:
            if row == name or (row.endswith(".*") and name.startswith(row[:-1])):
                return number
    return None


def _inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


def _objection(  # noqa: PLR0911  (one return for each rule)
    name: str,
    target: str,
) -> str | None:
    """Why a module may not import another of ours."""
    if target in ALSO.get(name, set()):
        return None
    for package, allowed in BESIDE.items():
        if _inside(name, package):
            fits = any(_inside(target, row) if row in BESIDE else target == row for row in allowed)
            return None if fits else f"{package} does not import it"
    if name == "conftest":
        return (
            None
            if target == "harness.pytest_plugin"
            else "conftest.py hands pytest to the plugin and does nothing else"
        )
    if _inside(name, "scenarios"):
        return None if _inside(target, "harness") or _inside(target, "scenarios") else "scenarios import harness alone"
    if name in PURE_MODULES and target not in PURE_MODULES:
        return "a pure module imports pure ones only"
    own, other = height(name), height(target)
    if own is None:
        return None  # reported as having no place
    if _inside(target, "harness.kernels") or _inside(target, "reports"):
        return None if own >= FIRST_TO_KNOW_BESIDE else "only the recorder and what stands above it know of that"
    if _inside(target, "scenarios"):
        return "scenarios are at the top"
    if other is not None and other > own:
        return "that arrow runs back"
    return None


def _third_party_objection(name: str, target: str) -> str | None:
    top = target.partition(".")[0]
    if top in sys.stdlib_module_names or top in PACKAGES:
        return None
    if top == "scapy" and name not in MAY_USE_SCAPY:
        return f"scapy is imported in {', '.join(sorted(MAY_USE_SCAPY))} alone"
    if name in PURE_MODULES and top not in PURE_THIRD_PARTY | THIRD_PARTY_OF.get(name, set()):
        return "a pure module does not need it"
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


def _has_place(name: str) -> bool:
    beside = any(_inside(name, package) for package in (*BESIDE, "scenarios"))
    return beside or name == "conftest" or height(name) is not None


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
        if not _has_place(name):
            found.append(f"{path}: {name} has no layer; give it a place in LAYERS of {Path(__file__).name}")
        for line, target in imported(name, path, set(paths)):
            ours = target.partition(".")[0] in PACKAGES
            why = _objection(name, target) if ours else _third_party_objection(name, target)
            if why:
                found.append(f"{path}:{line}: {name} imports {target}: {why}")
            if ours:
                arrows.setdefault(name, set()).add(target)
        found += _shape(name, path)
    return [*dict.fromkeys(found), *_circles(arrows)]


def test_imports_run_one_way() -> None:
    assert violations(CHECKOUT) == []


def test_the_walk_finds_the_modules() -> None:
    names = {name for name, _ in modules(CHECKOUT)}
    assert {"netns.lab", "harness.segment", "harness.errors", "harness", "harness.kernels.backend"} <= names


def test_a_pure_module_is_listed_once() -> None:
    rows = [row for layer in LAYERS for row in layer]
    assert len(rows) == len(set(rows))


@pytest.mark.parametrize(
    ("module", "source", "complaint"),
    [
        ("netns/lab.py", "import harness.errors", "netns.lab imports harness.errors: netns does not import it"),
        ("netns/lab.py", "from harness import errors", "netns.lab imports harness.errors"),
        ("harness/options.py", "from harness.pattern import Pattern", "that arrow runs back"),
        ("harness/options.py", "from . import pattern", "imports harness.pattern: that arrow runs back"),
        ("harness/segment.py", "def f():\n    from .timeline import Sent", "that arrow runs back"),
        ("harness/timing.py", "from netns.enter import Namespace", "a pure module imports pure ones only"),
        ("harness/timing.py", "import pyroute2", "a pure module does not need it"),
        ("harness/timing.py", "import pytest", "a pure module does not need it"),
        ("harness/timing.py", "from harness import ACK", "a pure module imports pure ones only"),
        ("harness/peer.py", "from harness import ACK", "imports harness: that arrow runs back"),
        ("harness/verdict.py", "from harness.wire import Wire", "a pure module imports pure ones only"),
        ("harness/peer.py", "from harness.session import Session", "that arrow runs back"),
        ("harness/probes/sockets.py", "import harness.session", "that arrow runs back"),
        ("harness/session.py", "import reports.ladder", "only the recorder and what stands above it know of that"),
        ("harness/session.py", "from scapy.all import IP", "scapy is imported in"),
        ("harness/pytest_plugin.py", "import harness.cli", "that arrow runs back"),
        ("harness/kernels/uml.py", "import harness.session", "harness.kernels does not import it"),
        ("harness/kernels/uml.py", "import netns.lab", "harness.kernels does not import it"),
        ("reports/ladder.py", "import harness.runfolder", "reports does not import it"),
        ("reports/ladder.py", "import scapy", "scapy is imported in"),
        ("scenarios/closing/test_x.py", "import netns.lab", "scenarios import harness alone"),
        ("conftest.py", "import harness.session", "conftest.py hands pytest to the plugin"),
        ("harness/newcomer.py", "", "harness.newcomer has no layer; give it a place"),
        ("reports/utils.py", "", "a module is named after what it holds"),
        ("reports/long.py", "x = 1\n" * 301, "301 lines, 300 at most"),
        ("reports/long.py", "def f():\n" + "    x = 1\n" * 60, "f has 61 lines, 60 at most"),
    ],
)
def test_a_break_of_the_rules_is_reported(tmp_path: Path, module: str, source: str, complaint: str) -> None:
    for name in ("harness/errors.py", "harness/pattern.py", "harness/timeline.py"):
        _write(tmp_path / name, "")
    _write(tmp_path / module, source)
    found = violations(tmp_path)
    assert len(found) == 1, found
    assert complaint in found[0]
    assert str(tmp_path / module) in found[0]


def test_a_circle_within_a_layer_is_reported(tmp_path: Path) -> None:
    _write(tmp_path / "harness/origin.py", "import harness.tamper")
    _write(tmp_path / "harness/tamper.py", "from harness.origin import Origin")
    assert violations(tmp_path) == ["harness.origin -> harness.tamper -> harness.origin: a circle"]


def test_what_the_rules_allow_is_not_reported(tmp_path: Path) -> None:
    allowed = {
        "harness/errors.py": "from netns.errors import FinwaitError",
        "harness/marks.py": "import pytest",
        "harness/timing.py": "import msgspec, enum",
        "harness/wire.py": "import scapy.layers.l2\nfrom harness.segment import Segment\nfrom netns.lab import Lab",
        "harness/cli.py": "import rich, harness.pytest_plugin\nfrom harness.kernels import uml\nimport reports.ladder",
        "harness/kernels/uml.py": "from harness.errors import FinwaitError\nfrom harness.kernels import guest",
        "reports/pcapng.py": "import scapy.utils\nfrom harness.timeline import Frame\nfrom reports import columns",
        "scenarios/closing/test_x.py": "from harness.segment import ACK\nimport pytest",
        "conftest.py": 'pytest_plugins = ["harness.pytest_plugin"]',
    }
    for name, source in allowed.items():
        _write(tmp_path / name, dedent(source))
    assert violations(tmp_path) == []


def _write(path: Path, source: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(source + "\n" * (not source.endswith("\n")))
