"""The incident's ladder has three lanes, and its table a row for each ending of the server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from harness.tcp.segment import ACK, FIN, Flags, Segment
from harness.tcp.verdict import Outcome
from harness.trace.events import Called, Event, Forwarded, Probed
from harness.trace.records import Result
from harness.trace.runs import load
from reports.incident import NGINX, SCENARIO, incident_ladder, incident_table
from reports.lines import plain

ZERO = 1_700_000_000_000_000_000
US = 1_000

MakeRun = Callable[..., Path]


def _passage(
    side: str, at: int, flags: Flags, seq: int, ack: int, *left: int, fate: str = "forwarded", judged: str = ""
) -> Forwarded:
    segment = Segment(flags=flags, seq=seq, ack=ack, window=502)
    return Forwarded(ZERO + at * US, segment, side, tuple(ZERO + one * US for one in left), fate, judged=judged)


def _incident(answer: int) -> list[Event]:
    events: list[Event] = [
        Called(ZERO - 900 * US, ZERO - 800 * US, "accept", (), 4, side="server"),
        Probed(ZERO - 700 * US, "sock_diag", state="ESTABLISHED", side="client"),
        Called(ZERO - 10 * US, ZERO, "close", side="client"),
        _passage("client", 0, FIN | ACK, 1, 1, 500, fate="held"),
        Probed(ZERO + 5 * US, "tracepoint", "of no interest here", side="server"),
        Called(ZERO + 100 * US, ZERO + 200 * US, "shutdown", ("SHUT_RDWR",), side="server"),
        _passage("server", 150, FIN | ACK, 1, 1, 160),
        _passage("client", 300, ACK, 2, 2, 310),
        _passage("server", 520, ACK, 2, answer, 530, judged="accepted" if answer == 2 else "challenged"),
    ]
    if answer == 1:
        events += [
            _passage("client", 204_000, FIN | ACK, 1, 2, 204_010),
            _passage("server", 204_020, ACK, 2, 2, 204_030),
        ]
    return [*events, Probed(ZERO + 204_050 * US, "sock_diag", state="TIME-WAIT", side="client")]


def test_ladder_has_a_lane_for_the_path() -> None:
    drawn = str(incident_ladder(_incident(1)))
    assert drawn + "\n" == (Path(__file__).parents[1] / "data" / "ladder-incident.txt").read_text()


def test_lost_and_duplicated_segments_are_told() -> None:
    lost = _passage("client", 0, FIN | ACK, 1, 1, fate="dropped")
    twice = _passage("server", 10, FIN | ACK, 1, 1, 12, 14, fate="duplicated")
    stays = _passage("client", 20, ACK, 2, 2, fate="held")
    drawn = str(incident_ladder([lost, twice, stays])).splitlines()[2:]
    assert [word in "\n".join(drawn) for word in ("dropped", "duplicated", "held, and stays")] == [True] * 3
    assert sum("F. 1:1(0) ack 1" in line for line in drawn) == 3


def _result(scenario: str, answer: str, ms: float, again: int = 0, **params: str) -> Result:
    outcome = Outcome.CONFORMS if answer == "accepted" else Outcome.DEVIATES
    counters = {"TcpRetransSegs": again} if again else {}
    ns = int(ms * 1e6)
    return Result(scenario=scenario, outcome=outcome, answer=answer, answer_ns=ns, params=params, counters=counters)


def test_table_has_endings_and_kernels(make_run: MakeRun) -> None:
    nginx = f"{NGINX}test_nginx[GET-on]"
    called = [Probed(ZERO, "nginx", "ended", details={"call": "close"}, side="server")]
    old = make_run(
        _result(f"{SCENARIO}[close-IPv4]", "accepted", 0.5, end="close"),
        _result(f"{SCENARIO}[shutdown_wr-IPv4]", "challenged", 207, 1, end="shutdown_wr"),
        _result(f"{SCENARIO}[shutdown_wr-IPv6]", "challenged", 211, 1, end="shutdown_wr"),
        _result(nginx, "accepted", 0.7, lingering_close="on", body="None"),
        timelines={nginx: called},
        name="old",
        kernel_name="uml:5.10",
    )
    new = make_run(_result(f"{SCENARIO}[shutdown_wr-IPv4]", "accepted", 0.6, end="shutdown_wr"), name="new")
    assert plain(incident_table([load(old), load(new)])).splitlines()[1:] == [
        "server's ending                                    uml:5.10                         host",
        "─" * 92,
        "close                                              0.500 ms                         not run",
        "shutdown wr                                        207-211 ms  FIN sent again once  0.600 ms",
        "nginx, without keepalive",
        "lingering_close on, request without a body: close  0.700 ms                         not run",
    ]


def test_lost_scenario_is_not_passed_over(make_run: MakeRun) -> None:
    lost = Result(scenario=f"{SCENARIO}[close-IPv4]", outcome=Outcome.LOST, params={"end": "close"})
    assert "lost" in plain(incident_table([load(make_run(lost))]))
