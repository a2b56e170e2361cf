"""What a scenario's author gets wrong: one line with its place, status 2, and no word about the kernel."""

from __future__ import annotations

import re
from pathlib import Path

from tests.plugin.conftest import FOUR, RunScenarios

STEPS = {
    "peer.send(ACK, seq=2**32)": "seq=4294967296 does not fit; the field has 32 bits; try: a whole number from",
    "peer.expect(ACK, options='tsval')": "there is no TCP option named 'tsval' in 'tsval'; there are eol, nop, mss, ",
    "peer.expect(FIN, sequence=1)": "argument 'sequence'; in: peer.expect(FIN, sequence=1); try: flags, seq, ack, ",
    "peer.send(FIN, sequence=1)": "argument 'sequence'; in: peer.send(FIN, sequence=1); try: flags, seq, ack, data, ",
    "peer.send(FIN, 1, 1)": "try: send(flags: Flags, *, seq: int, ack: int | None, data=..., ",
    "peer.send('FIN', seq=0)": "in: peer.send('FIN', seq=0); try: send(flags: Flags, *, seq: ",
    "peer.expect(FIN, within='x')": "within='x' is not a time; try: seconds such as 0.5, or a span such as RTO_MIN",
    "peer.expct(FIN)": "'Peer' object has no attribute 'expct'; in: peer.expct(FIN); try: expect",
    "peer.windw = 0": "'Peer' object has no attribute 'windw' to set; in: peer.windw = 0; try: window",
    "server.sned = 1": "'Endpoint' object has no attribute 'sned' to set; in: server.sned = 1; try: send",
    "server.set_option('TCP_NO', 1)": "there is no socket option named 'TCP_NO'; ",
    "server.set_option(6, 1, 1)": "try: set_option(name: str | tuple[int, int], value: int | float | str | bytes)",
    "server.connect(('192.0.2.1', 70000))": "OverflowError: connect(): port must be 0-65535.; in: server.connect((",
}


def test_wrong_step_is_one_line(run: RunScenarios) -> None:
    lines = [
        f"def test_{number}(established):\n    server, peer = established\n    {step}\n"
        for number, step in enumerate(STEPS)
    ]
    ran = run("".join(lines) + FOUR, "-k", "not deviates and not unsupported and not lost")
    assert ran.status == 2
    assert ran.outcomes == {f"test_{number}": "lost" for number in range(len(STEPS))} | {"test_conforms": "conforms"}
    for result, (step, line) in zip(ran.results.values(), STEPS.items(), strict=False):
        assert re.match(r"test_s.py:\d+: mistake in the scenario: ", result["message"]), step
        assert line in result["message"]
        # where CI is set, pytest's closing summary is not cut and says it again
        assert 1 <= ran.output.count(result["message"]) <= 2, step
    for word in ("Traceback", "harness/", "def test_"):
        assert word not in ran.output


def test_misuse_in_a_fixture_is_one_line_and_status_two(run: RunScenarios) -> None:
    ran = run("def test_port(session):\n    session.listen(port=9)\n    session.listen(port=9)\n")
    assert ran.status == 2
    assert "port 9 of the kernel under test cannot be bound (EADDRINUSE); another socket of this lab" in ran.output
    assert "Traceback" not in ran.output


def test_name_of_a_fixture_that_there_is_not_is_one_line(run: RunScenarios) -> None:
    ran = run("""
        @pytest.fixture
        def mine(establishd):
            return establishd
        def test_one(establishd): pass
        def test_two(mine): pass
        def test_three(established, monkypach): pass
        """)
    assert ran.status == 2
    assert set(ran.outcomes.values()) == {"lost"}
    alone = run("def test_one(establishd): pass", name="alone")
    assert alone.outcomes == {"test_one": "lost"}
    assert alone.record["planned"] == []
    for name, line, near in (("one", 10, "established"), ("two", 7, "established"), ("three", 12, "monkeypatch")):
        told = ran.results[f"test_{name}"]["message"]
        assert told.startswith(f"test_s.py:{line}: mistake in the scenario: FixtureLookupError: there is no fixture ")
        assert told.endswith(f"; try: {near}")
    assert "available fixtures" not in ran.output


def test_file_that_cannot_be_imported_is_one_line(run: RunScenarios, tmp_path: Path) -> None:
    for name, text in {
        "test_import.py": "from harness import Sesion\n",
        "test_module.py": "import nosuch\n",
        "test_syntax.py": "from harness import ACK\ndef test_a(established)\n    pass\n",
        "helper.py": "def f(:\n    pass\n",
        "test_helper.py": "import helper\n",
        "test_name.py": "WAIT = 2 * RTO_MIM\n",
    }.items():
        (tmp_path / name).write_text(text)
    for options in ((), ("--collect-only",)):
        ran = run(FOUR, *options, name=f"run{len(options)}")
        assert ran.status == 2
        lines = [line for line in ran.output.splitlines() if not line.startswith("ERROR")]
        told = [line.partition(": mistake in the scenario: ") for line in lines]
        assert {where: what for where, sign, what in told if sign} == {
            "test_import.py:1": "ImportError: cannot import name 'Sesion' from 'harness'; "
            "in: from harness import Sesion; try: Session or Sent",
            "test_module.py:1": "ModuleNotFoundError: No module named 'nosuch'; in: import nosuch",
            "test_syntax.py:2": "SyntaxError: expected ':'; in: def test_a(established)",
            "helper.py:1": "SyntaxError: invalid syntax; in: def f(:",
            "test_name.py:1": "NameError: name 'RTO_MIM' is not defined; in: WAIT = 2 * RTO_MIM",
        }
        assert "importlib" not in ran.output
