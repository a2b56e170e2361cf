"""What a scenario costs in a lab that it shares with others, from plain pytest to a whole cell of a table.

Processor time, user and system together: on a busy machine it says more than the wall clock.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
ITEMS = 400
ROUNDS = 3
LIMIT_MS = 1.0
# as kernels are run; nothing here needs them
_PYTEST = ("-q", "--tb=short", "--color=no", "-p", "no:cacheprovider", "-p", "no:hypothesispytest", "-p", "no:xdist")
_WITHOUT_HOOKS = ("-p", "no:harness.plugin.hooks")
_HOOKS = ("-p", "harness.plugin.hooks")
_NO_EVIDENCE = (*_HOOKS, "--captures", "none")

_SCENARIO = """
import pytest
from harness import ACK, FIN, in_shared_lab
from harness.live.endings import shutdown_wr

{mark}
@pytest.mark.parametrize("number", range({items}))
def test_cell({fixtures}number):
    {body}
"""
_HANDSHAKE = "server, peer = session.establish(session.listen())"
_DISORDER = f"""{_HANDSHAKE}
    shutdown_wr(server)
    peer.expect(FIN, seq=1, ack=1)
    peer.send_together(peer.make(ACK, seq=2, ack=2), peer.make(FIN, seq=1, ack=1))
    peer.expect(ACK, seq=2)
"""


@dataclass(frozen=True, slots=True)
class Layer:
    """A scenario that does a little more than the one before.

    Args:
        name: of what is added.
        body: what it does.
        options: for pytest.
        asks: whether it asks for a session.
    """

    name: str
    body: str
    options: tuple[str, ...]
    asks: bool = True


LAYERS = (
    Layer("plain pytest", "pass", _WITHOUT_HOOKS, asks=False),
    Layer("our hooks", "pass", _HOOKS, asks=False),
    Layer("session in a shared lab", "pass", _NO_EVIDENCE),
    Layer("handshake, with its probes", _HANDSHAKE, _NO_EVIDENCE),
    Layer("disorder, with its probes", _DISORDER, _NO_EVIDENCE),
    Layer("evidence written", _DISORDER, _HOOKS),
)


def report() -> Iterator[str]:
    """Lines with the figures."""
    before = 0.0
    yield f"scenario in a shared lab, processor time of each of {ITEMS} (least of {ROUNDS} rounds):"
    for layer in LAYERS:
        cost = _cost(layer)
        yield f"  {layer.name:<28} {cost - before:+7.2f} ms"
        before = cost
    yield f"  {'all':<28} {before:7.2f} ms (at most {LIMIT_MS:.0f} ms)"


def _cost(layer: Layer) -> float:
    """Milliseconds of one item: of many without what a single one takes, where pytest starts and ends as well."""
    return min((_seconds(layer, ITEMS) - _seconds(layer, 1)) / (ITEMS - 1) for _ in range(ROUNDS)) * 1e3


def _seconds(layer: Layer, items: int) -> float:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        mark, fixtures = ("@in_shared_lab", "session, ") if layer.asks else ("", "")
        scenario = _SCENARIO.format(mark=mark, items=items, body=layer.body, fixtures=fixtures)
        (folder / "test_cell.py").write_text(scenario)
        (folder / "pytest.ini").touch()
        runs = () if _WITHOUT_HOOKS[1] in layer.options else ("--run-dir", str(folder / "runs"))
        command = [sys.executable, "-m", "pytest", *_PYTEST, *layer.options, *runs, "test_cell.py"]
        before = _spent()
        done = subprocess.run(
            command, cwd=folder, env={**os.environ, "PYTHONPATH": str(CHECKOUT)}, capture_output=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stdout.decode()[-2000:])
        return _spent() - before


def _spent() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime
