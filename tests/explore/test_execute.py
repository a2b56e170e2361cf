"""Programs on the running kernel: they reach the states that they name, alike each time, and every answer is noted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.explore.attempt import (
    FILLS,
    IGNORED,
    IRS,
    ISS,
    RIGHT_EDGE,
    SND_UNA,
    SYSCTLS,
    About,
    Act,
    Attempt,
    AttemptStep,
    Icmp,
    Noted,
    Pause,
    Put,
)
from harness.explore.execute import Executor
from harness.explore.generate import attempt
from harness.explore.starts import STARTS
from harness.explore.themes import THEMES
from harness.probes.states import state_name
from harness.tcp.segment import ACK, CWR, ECE, FIN, RST, SYN
from netns import privilege

PASSIVE = STARTS["ESTABLISHED"]


@pytest.fixture(scope="module")
def lab() -> Iterator[Executor]:
    privilege.ensure()
    with Executor() as executor:
        yield executor


def run(lab: Executor, *steps: AttemptStep) -> tuple[Noted, ...]:
    return lab.run(Attempt(steps))


@pytest.mark.parametrize("name", [name for name in STARTS if name != "CLOSED"])
def test_start_reaches_its_state(lab: Executor, name: str) -> None:
    assert state_name(run(lab, *STARTS[name])[-1].state) == name.partition(" ")[0]


def test_numbers_are_relative_and_landmarks_follow_the_connection(lab: Executor) -> None:
    *_, fin, data, ack = run(lab, *PASSIVE, Act("shutdown_wr"), Put(ACK, length=5), Put(ACK, seq=-1, ack=-1))
    assert [(back.flags, back.seq, back.ack) for back in fin.back] == [(FIN | ACK, 1, 1)]
    assert data.sent == (1, 2, 5)
    assert [(back.seq, back.ack) for back in data.back] == [(2, 6)]
    assert ack.sent == (5, 1, 0)


def test_the_right_edge_is_that_of_the_window_as_it_was_scaled(lab: Executor) -> None:
    opened = Act("listen"), Put(SYN, options="full"), Put(ACK), Act("accept"), Put(ACK, length=1)
    noted = run(lab, *opened, Put(ACK, seq_from=RIGHT_EDGE))
    (acknowledged,) = noted[-2].back
    assert noted[-1].sent[0] == 2 + 128 * acknowledged.window


def test_timestamps_are_sent_where_both_sides_offered_them(lab: Executor) -> None:
    for options, numbers in (("full", 5), ("stamped", 5), ("wide", 3), ("", 3)):
        noted = run(lab, Act("connect"), Put(SYN | ACK, options=options), Put(ACK))
        assert len(noted[-1].sent) == numbers


def test_calls_tell_their_result_or_errno(lab: Executor) -> None:
    noted = run(lab, *PASSIVE, Act("recv", 5), Put(ACK, length=3), Act("recv", 5), Put(RST), Act("send", 1))
    assert [one.result for one in noted[len(PASSIVE) :]] == ["EAGAIN", "", "3", "", "ECONNRESET"]


def test_more_data_than_a_segment_holds_go_as_several(lab: Executor) -> None:
    assert run(lab, *PASSIVE, Put(ACK, length=4000))[-1].back[-1].ack == 4001


@pytest.mark.parametrize("name", SYSCTLS)
def test_sysctl_is_set_until_the_program_ends(lab: Executor, name: str) -> None:
    file = Path("/proc/sys/net/ipv4", name.rpartition("_")[0])
    before = file.read_text() if file.exists() else None
    noted = run(lab, Act(name), *PASSIVE)
    # an older kernel has no shrinking windows, and no Accurate ECN
    assert noted[0].result in {"tcp_shrink_window_1": ("0", "ENOENT"), "tcp_ecn_3": ("0", "EINVAL")}.get(name, ("0",))
    assert noted[-1].state == 1
    assert (file.read_text() if file.exists() else None) == before


def test_sysctl_counts_in_the_program_that_sets_it_alone(lab: Executor) -> None:
    half_open = Act("listen"), Put(SYN, options="full")
    without = run(lab, Act("tcp_timestamps_0"), *half_open)[-1].back[0].options
    assert ("TS val" in without, "TS val" in run(lab, *half_open)[-1].back[0].options) == (False, True)


def test_ecn_is_negotiated_where_a_sysctl_asks_for_it(lab: Executor) -> None:
    (answer,) = run(lab, Act("tcp_ecn_1"), Act("listen"), Put(SYN | ECE | CWR))[-1].back
    assert answer.flags == SYN | ACK | ECE


def test_icmp_error_reaches_the_connection(lab: Executor) -> None:
    *_, refused, told = run(lab, Act("connect"), Icmp("port unreachable", seq=-1), Act("send", 1))
    assert state_name(refused.state) == "CLOSED"
    assert told.result == "ECONNREFUSED"


@pytest.mark.parametrize(
    ("options", "acknowledged"),
    [("malformed", (2, 3)), ("unknown", (3,)), ("unsent", (3,)), ("sack", (3,))],  # a malformed one may be dropped
)
def test_odd_options_come_on_a_segment_that_is_whole(
    lab: Executor, options: str, acknowledged: tuple[int, ...]
) -> None:
    opened = Act("listen"), Put(SYN, options="full"), Put(ACK), Act("accept")
    state = run(lab, *opened, Put(ACK, length=1, options=options), Put(ACK, length=1))[-1]
    assert state.back[-1].ack in acknowledged


def test_time_passes_in_a_pause(lab: Executor) -> None:
    began = time.monotonic()
    waited = run(lab, *PASSIVE, Pause(50))[-1]
    assert (waited.state, waited.back) == (1, ())
    assert time.monotonic() - began >= 0.05


def test_programs_are_noted_alike_by_one_lab_and_the_next() -> None:
    def noted() -> list[tuple[Noted, ...]]:
        with Executor(IGNORED) as executor:
            return [executor.run(attempt(3, number, THEMES["closing"])) for number in range(150)]

    assert noted() == noted()


@pytest.mark.parametrize("name", [name for name in STARTS if name != "CLOSED"])
def test_start_reaches_its_state_over_ipv6(lab: Executor, name: str) -> None:
    assert state_name(lab.run(Attempt(STARTS[name], ip_version=6))[-1].state) == name.partition(" ")[0]


def test_option_that_is_set_before_there_is_a_socket_counts_for_the_next(lab: Executor) -> None:
    *_, syn_ack = run(lab, Act("rcvbuf", 1024), Act("listen"), Put(SYN))
    assert syn_ack.back[0].window == 1152
    filled = run(lab, Act("rcvbuf", 1024), *STARTS["ESTABLISHED actively"], Put(ACK, length=FILLS))[-1]
    assert (filled.sent[2], filled.back[-1].window) == (1152, 0)


def test_numbers_count_from_both_syns_and_from_what_the_peer_has_acknowledged(lab: Executor) -> None:
    sent = (*STARTS["ESTABLISHED actively"], Act("send", 5), Put(ACK, length=3))
    assert run(lab, *sent, Put(ACK, seq_from=IRS, ack_from=ISS))[-1].sent[:2] == (0, 0)
    assert run(lab, *sent[:-1], Put(ACK, seq_from=RIGHT_EDGE, ack_from=SND_UNA))[-1].sent[1] == 1


def test_what_is_out_of_sight_is_not_noted() -> None:
    opened = Act("listen"), Put(SYN, options="full"), Put(ACK), Act("accept")
    with Executor(IGNORED) as executor:
        noted = executor.run(Attempt((*opened, Act("send", 9))))
    (sent,) = noted[-1].back
    assert (sent.flags, sent.window, sent.options.partition(" ecr ")[0]) == (ACK, 1, "nop,nop,TS val 0")


TWO = (Act("listen"), Put(SYN), About(2), Put(SYN), Put(ACK), About(1), Put(ACK))
"""Two connections of one listener, of which the second is established first."""


def test_connections_have_their_own_numbers_and_the_first_that_is_established_is_accepted(lab: Executor) -> None:
    noted = run(lab, *TWO, Act("accept"), Put(ACK, length=5), About(2), Act("send", 3), About(1), Act("recv", 9))
    *_, data, about, sent, _, nobody = noted[len(TWO) :]
    assert [(back.connection, back.ack) for back in data.back] == [(1, 6)]
    assert [(back.connection, back.seq, back.length) for back in sent.back] == [(2, 1, 3)]
    assert state_name(about.state) == "ESTABLISHED"
    assert nobody.result == "-"  # the second's socket was accepted, not the first's


FAST = STARTS["LISTEN with fast open"]


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("options", "acknowledged"), [("cookie", 6), ("cookie forged", 1), ("", 1)])
def test_data_with_a_syn_are_taken_with_the_cookie_that_the_kernel_gave(
    lab: Executor, version: int, options: str, acknowledged: int
) -> None:
    (answer,) = lab.run(Attempt((*FAST, Put(SYN, length=5, options=options)), version))[-1].back
    assert answer.ack == acknowledged


def test_cookie_is_asked_for_and_told_without_its_value(lab: Executor) -> None:
    (answer,) = run(lab, *FAST, Put(SYN, options="cookie asked"))[-1].back
    assert answer.options == f"mss 1460,opt 34 {bytes(8).hex()},nop,nop"


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("options", "taken"), [("signed", True), ("wrongly signed", False), ("", False)])
def test_what_is_not_signed_by_the_key_is_not_taken(lab: Executor, version: int, options: str, taken: bool) -> None:
    opened = STARTS["ESTABLISHED signed"]
    answer = lab.run(Attempt((*opened, Put(ACK, length=5, options=options)), version))[-1].back
    assert [(back.ack, back.options) for back in answer] == [(6, f"nop,nop,opt 19 {bytes(16).hex()}")] * taken


def test_key_that_is_taken_away_protects_no_longer(lab: Executor) -> None:
    data = Put(ACK, length=1, options="signed")
    noted = run(lab, *STARTS["ESTABLISHED signed"], Act("md5_no_key"), data, Put(ACK, length=1))
    assert [len(one.back) for one in noted[-2:]] == [0, 1]


def test_drop_has_its_reason_where_the_kernel_tells_it(lab: Executor) -> None:
    many = 20  # the kernel may leave what it receives to ksoftirqd, and not all of it
    taken, *dropped = run(lab, *PASSIVE, Put(ACK, length=1), *[Put(ACK, seq=100_000)] * many)[len(PASSIVE) :]
    reasons = {reason for one in dropped for reason in one.drops or ()}
    told = taken.drops is not None  # before 5.17 no drop has one
    assert (taken.drops or (), reasons) == ((), {"TCP_INVALID_SEQUENCE"} if told else set())


def test_what_is_in_sight_is_told_of_the_socket_of_counters_and_of_ip_headers() -> None:
    with Executor() as executor:
        *_, accepted, challenged, sent = executor.run(Attempt((*PASSIVE, Put(SYN), Act("send", 9))))
    assert (accepted.info["bytes_received"], sent.info["bytes_sent"]) == (0, 9)
    assert challenged.grown["TcpExtTCPSYNChallenge"] == challenged.grown["TcpInSegs"] == 1
    assert sent.grown["TcpExtTCPOrigDataSent"] == sent.grown["TcpOutSegs"] == 1
    (segment,) = sent.back
    assert segment.ip == "ttl 64, class 0, DF, id next"


def test_times_in_tcp_info_are_out_of_sight_by_themselves() -> None:
    with Executor(("times in TCP_INFO",)) as executor:
        info = executor.run(Attempt(PASSIVE))[-1].info
    assert "snd_cwnd" in info
    assert not {name for name in info if name.endswith(("_us", "_ms", "_rate"))}
