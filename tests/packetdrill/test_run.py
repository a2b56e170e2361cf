"""Scripts run on the real kernel: what it does is judged as packetdrill judges it, and told with line and cause."""

from __future__ import annotations

import mmap
import re
from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.packetdrill import blocking, call_limit, packets
from harness.tcp.timing import MS, Span
from harness.trace.events import Received, Sent
from tests.packetdrill.mounts import own_mounts
from tests.packetdrill.scripts import CONNECTING, LISTEN, OPEN, WHOLE, failure, run

pytestmark = pytest.mark.usefixtures("stamped")


@pytest.mark.parametrize("version", ["ipv4", "ipv6", "ipv4-mapped-ipv6"])
def test_a_connection_is_opened_used_and_closed(version: str, tmp_path: Path) -> None:
    timeline = run(WHOLE, tmp_path, ip_version=version)
    segments = [event.segment.brief for event in timeline if isinstance(event, Sent | Received)]
    assert segments[:3] == ["S 0:0(0)", "S. 0:0(0) ack 1", ". 1:1(0) ack 1"]
    assert segments[-1] == ". 1002:1002(0) ack 2"


@pytest.mark.parametrize(
    ("right", "wrong", "told"),
    [
        ("> P. 1:1001(1000) ack 1", "> . 1:1001(1000) ack 1", r"flags: P\., not \."),
        ("> P. 1:1001(1000) ack 1", "> P. 2:1002(1000) ack 1", r"seq: 1, not 2"),
        ("> P. 1:1001(1000) ack 1", "> P. 1:1001(1000) ack 9", r"ack: 1, not 9"),
        ("> P. 1:1001(1000) ack 1", "> P. 1:1000(999) ack 1", r"length: 1000, not 999"),
        ("> P. 1:1001(1000) ack 1", "> P. 1:1001(1000) ack 1 win 1", r"win: \d+, not 1"),
        ("> P. 1:1001(1000) ack 1", "> P. 1:1001(1000) ack 1 <nop,nop,sackOK>", "options: <>"),
        ("> P. 1:1001(1000) ack 1", "> [ce] P. 1:1001(1000) ack 1", "ecn: 0, not 3"),
        ("= 1000", "= 999", "write gave 1000, not 999"),
        ("+0 close(4) = 0", "+0 close(5) = 0", "the script has no descriptor 5"),
        ("+0 close(4) = 0", "+0 shutdown(4, 9) = -1 ENOTCONN", "failed with EINVAL, not ENOTCONN"),
        ("+0 close(4) = 0", "+0 fcntl(4, F_SETFL, O_RDWR|O_NONBLOCK) = 0\n+0 read(4, ..., 9) = 0", "EAGAIN"),
    ],
)
def test_another_number_flag_option_or_result_is_told(right: str, wrong: str, told: str, tmp_path: Path) -> None:
    assert right in WHOLE
    assert re.search(told, str(failure(WHOLE.replace(right, wrong), tmp_path)))


def test_a_failure_has_the_line_what_was_seen_and_what_went_before(tmp_path: Path) -> None:
    evidence = failure(WHOLE.replace("ack 1002 win 257", "ack 1002 win 257\n+0 > R 1:1(0)"), tmp_path).evidence
    assert evidence.where == "x.pkt:15"
    assert [due.what for due in evidence.expected] == ["+0 > R 1:1(0)"]
    assert evidence.observed.startswith("> . 1002:1002(0) ack 2")
    assert "< F. 1:1(0) ack 1002" in "\n".join(evidence.so_far)


def test_a_time_is_held_to(tmp_path: Path) -> None:
    late = WHOLE.replace("+0 > F.", "+10 > F.")
    assert "time: " in str(failure(late, tmp_path))
    run(WHOLE.replace("+0 > F.", "+0~+9 > F."), tmp_path, tolerance_usecs="1000")
    run(late.replace("+10 > F.", "* > F."), tmp_path)


def test_a_packet_that_never_comes_is_told_after_its_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(packets, "PATIENCE_NS", 20 * MS)
    text = LISTEN + "+0 < S 0:0(0) win 9 <mss 1000>\n+0 > S. 0:0(0) ack 1 <...>\n+0 < R 1:1(0) win 9\n+0 > . 1:1(0)\n"
    assert "nothing within 20 ms" in str(failure(text, tmp_path))


def test_segments_are_put_together_up_to_the_length_of_the_script(tmp_path: Path) -> None:
    sent = "+0 write(4, ..., 5000) = 5000\n+0 > P. 1:5001(5000) ack 1\n"
    run(OPEN + sent, tmp_path)
    assert "length: " in str(failure("--strict_segments\n" + OPEN + sent.replace("500", "900"), tmp_path))


def test_a_segment_longer_than_the_wire_takes_arrives(tmp_path: Path) -> None:
    run(OPEN + "+0 < P. 1:20001(20000) ack 1 win 257\n+0 read(4, ..., 30000) = 20000\n", tmp_path, mss="1000")


@own_mounts
@pytest.mark.skipif(mmap.PAGESIZE != 4096, reason="counts pages of 4 KiB")
def test_a_long_segment_takes_as_much_of_the_receive_buffer_as_from_a_tun_device(tmp_path: Path) -> None:
    taken = "+0 %{ assert SK_MEMINFO_RMEM_ALLOC < 3 * 4096 + 512, SK_MEMINFO_RMEM_ALLOC }%\n"
    run(OPEN + "+0 < . 2001:11001(9000) ack 1 win 257\n+0 > . 1:1(0) ack 1\n" + taken, tmp_path, mss="1000")


def test_blocks_of_sack_and_timestamps_are_counted_as_the_script_counts(tmp_path: Path) -> None:
    text = (
        LISTEN
        + """\
+0 < S 77:77(0) win 32792 <mss 1000,sackOK,TS val 100 ecr 0>
+0 > S. 5:5(0) ack 78 <mss 1460,sackOK,TS val 4000 ecr 100>
+0 < . 1:1(0) ack 1 win 257 <nop,nop,TS val 101 ecr 4000>
+0 accept(3, ..., ...) = 4
+0 < . 1001:2001(1000) ack 1 win 257 <nop,nop,TS val 102 ecr 4000>
+0 > . 1:1(0) ack 1 <nop,nop,TS val 4001 ecr 101,nop,nop,sack 1001:2001>
"""
    )
    run(text, tmp_path)
    assert "options: " in str(failure(text.replace("sack 1001:2001", "sack 1001:2002"), tmp_path))
    unknown = text.replace("TS val 102 ecr 4000", "TS val 102 ecr 4009")
    assert "ecr 4009 is the value of no timestamp" in str(failure(unknown, tmp_path))


def test_a_call_that_blocks_goes_on_beside_the_script(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = OPEN + "+0...0.03 read(4, ..., 1000) = 100\n+.03 < P. 1:101(100) ack 1 win 257\n+0 > . 1:1(0) ack 101\n"
    run(text, tmp_path)
    other = failure(text.replace("= 100", "= 99"), tmp_path)
    assert "read gave 100, not 99" in str(other)
    assert other.evidence.expected[0].what.startswith("+0...0.03 read(4")  # though it was seen at a later line
    monkeypatch.setattr(blocking, "MOST_WAIT", Span(20 * MS, "MOST_WAIT"))
    never = OPEN + "+0 pipe([8, 9]) = 0\n+0...0.03 read(4, ..., 1000) = 100\n"
    assert "a call that blocks is not back after 20 ms" in str(failure(never, tmp_path))


def test_a_call_that_blocks_has_what_the_one_before_opened(tmp_path: Path) -> None:
    handshake = OPEN.removeprefix(LISTEN).replace("+0 accept(3, ..., ...) = 4\n", "").replace("+0 < .", "+.01 < .")
    accepts = LISTEN + "+0...0.01 accept(3, ..., ...) = 4\n" + handshake
    run(accepts + "+0...0.01 read(4, ..., 1000) = 100\n+.01 < P. 1:101(100) ack 1 win 257\n", tmp_path)


def test_a_call_that_is_not_said_to_block_does_not_wait_for_ever(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(call_limit, "PROGRAM_LIMIT", Span(50 * MS, "PROGRAM_LIMIT", "soon enough for a test"))
    never = OPEN + "+0 pipe([8, 9]) = 0\n+0 read(8, ..., 1) = -1 EINTR (Interrupted system call)\n"
    assert "the call was not back after 50 ms" in str(failure(never, tmp_path))


def test_all_counts_from_a_first_event_at_time_0(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="line 1: the first event is not at time 0"):
        run("+.1" + LISTEN[1:], tmp_path)


@own_mounts
def test_commands_have_a_tmp_of_their_own_and_clean_up_after_a_failure(tmp_path: Path) -> None:
    text = "`echo kept > /tmp/finwait-of-a-script`\n" + WHOLE.replace(
        "+0 close(4) = 0", "+0 `grep -q kept /tmp/finwait-of-a-script`\n+0 close(5) = 0"
    )
    mismatch = failure(text + "`touch cleaned`\n", tmp_path)
    assert "the script has no descriptor 5" in str(mismatch)
    assert (tmp_path / "cleaned").exists()
    assert not Path("/tmp/finwait-of-a-script").exists()  # noqa: S108


@own_mounts
def test_a_command_that_fails_ends_the_script(tmp_path: Path) -> None:
    assert "`false` ended with status 1" in str(failure("`false`\n" + LISTEN, tmp_path))
    forbidden = "`echo 1 > /proc/sys/kernel/panic`\n" + LISTEN
    assert "ended with status" in str(failure(forbidden, tmp_path))


@own_mounts
def test_a_program_that_is_not_there_is_not_the_kernels_fault(tmp_path: Path) -> None:
    told = r"line 1: the command `no-such-program -x` cannot be run here: sh: (line )?1: no-such-program: .*not found"
    with pytest.raises(Unsupported, match=told):
        run("`no-such-program -x`\n" + LISTEN, tmp_path)


@own_mounts
def test_a_command_that_ends_what_runs_them_all_does_not_pass_for_a_machine_without_mounts(tmp_path: Path) -> None:
    with pytest.raises(FinwaitError, match="the process that runs a script's commands has ended") as raised:
        run("`kill -KILL $PPID`\n" + LISTEN + "`true`\n", tmp_path)
    assert not isinstance(raised.value, Unsupported)


@own_mounts
def test_a_failure_is_told_though_what_cleans_up_fails_too(tmp_path: Path) -> None:
    assert "the script has no descriptor 5" in str(failure(LISTEN + "+0 close(5) = 0\n`no-such-program`\n", tmp_path))


@own_mounts
def test_code_sees_what_the_kernel_told_then(tmp_path: Path) -> None:
    asked = "+0 %{ first = tcpi_snd_cwnd; assert tcpi_state == TCP_ESTABLISHED }%\n"
    after = "+0 %{ assert first == 10 and tcpi_snd_cwnd == 10 and SK_MEMINFO_DROPS == 0, first }%\n"
    run(OPEN + asked + after, tmp_path)
    assert "the code ended with status 1: " in str(failure(OPEN + asked + after.replace("10 and", "11 and"), tmp_path))


def test_an_error_of_icmp_reaches_the_socket(tmp_path: Path) -> None:
    text = (
        CONNECTING
        + """\
+0 < icmp unreachable port_unreachable [0:0(0)]
+0 getsockopt(3, SOL_SOCKET, SO_ERROR, [ECONNREFUSED], [4]) = 0
"""
    )
    run(text, tmp_path)
    assert "the value is" in str(failure(text.replace("ECONNREFUSED", "EHOSTUNREACH"), tmp_path))


def test_control_messages_of_the_error_queue_are_compared(tmp_path: Path) -> None:
    text = (
        OPEN
        + """\
+0 setsockopt(4, SOL_SOCKET, SO_ZEROCOPY, [1], 4) = 0
+0 send(4, ..., 4000, MSG_ZEROCOPY) = 4000
+0 > P. 1:4001(4000) ack 1
+0 < . 1:1(0) ack 4001 win 257
+0 recvmsg(4, {msg_name(...)=..., msg_iov(1)=[{...,0}], msg_flags=MSG_ERRQUEUE, msg_control=[{cmsg_level=SOL_IP,
   cmsg_type=IP_RECVERR, cmsg_data={ee_errno=0, ee_origin=SO_EE_ORIGIN_ZEROCOPY, ee_type=0,
   ee_code=SO_EE_CODE_ZEROCOPY_COPIED, ee_info=0, ee_data=0}}]}, MSG_ERRQUEUE) = 0
"""
    )
    run(text, tmp_path)
    assert "control message 1: the error" in str(failure(text.replace("ee_data=0", "ee_data=1"), tmp_path))


def test_waiting_for_events_is_compared(tmp_path: Path) -> None:
    text = (
        OPEN
        + """\
+0 poll([{fd=4, events=POLLIN|POLLOUT, revents=POLLOUT}], 1, 0) = 1
+0 epoll_create(1) = 5
+0 epoll_ctl(5, EPOLL_CTL_ADD, 4, {events=EPOLLOUT, fd=4}) = 0
+0 epoll_wait(5, {events=EPOLLOUT, fd=4}, 1, 0) = 1
"""
    )
    run(text, tmp_path)
    assert "revents are" in str(failure(text.replace("revents=POLLOUT", "revents=POLLIN"), tmp_path))
    assert "the event is" in str(failure(text.replace("wait(5, {events=EPOLLOUT", "wait(5, {events=EPOLLIN"), tmp_path))


def test_what_is_not_taken_is_called_so(tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="line 5: the system call mmap is not taken"):
        run(LISTEN + "+0 mmap(3) = 0\n", tmp_path)
    with pytest.raises(Unsupported, match="the constant SO_NONSENSE is not known"):
        run(LISTEN + "+0 setsockopt(3, SOL_SOCKET, SO_NONSENSE, [1], 4) = 0\n", tmp_path)
    with pytest.raises(Unsupported, match="line 1: the option --tolerance_percent is not taken"):
        run("--tolerance_percent=1\n" + LISTEN, tmp_path)
    with pytest.raises(FinwaitError, match="the option tolerance_usec of packetdrill is not taken") as raised:
        run(LISTEN, tmp_path, tolerance_usec="1")
    assert raised.value.hint == "tolerance_usecs"


@pytest.mark.parametrize(
    ("line", "what"),
    [
        ("< encap psp spi 1 . 1:1(0) ack 1 win 257", "PSP"),
        ("< . 1:1(0)! ack 1 win 257", "numbers with '!'"),
        ("< . ...(0) ack 1 win 257", "a segment without numbers"),
        ("< . 1:1(0) ack 1 win 257 <nop,nop,md5 valid>", "md5 valid"),
        ("< . 1:1(0) ack 1 win 257/udp(1 > 2)", "TCP over UDP"),
    ],
)
def test_a_packet_of_which_not_all_is_taken_is_called_so(line: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match=f"line 9: {re.escape(what)} is not taken yet"):
        run(f"{OPEN}+0 {line}\n", tmp_path)
