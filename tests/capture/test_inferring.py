"""What the answers of a capture's near side tell of keys, sysctls and buffers, and of what never reached it."""

from __future__ import annotations

from pathlib import Path

from harness.capture.trying import Hypothesis, hypotheses
from harness.tcp.options import Option, parse_options
from harness.tcp.segment import ACK, FIN, PSH, RST, SYN
from harness.tcp.timing import DAY
from tests.capture.captures import HANDSHAKE, Told, segment
from tests.capture.test_conversion import statements, taken

MD5 = (Option("nop"), Option("nop"), Option("opt 19", raw=bytes(range(16))))
AO_FAR, AO_NEAR = (Option("opt 29", raw=bytes((key, other)) + bytes(12)) for key, other in ((7, 8), (8, 7)))


def found(tmp_path: Path, told: list[Told], near: int = 1) -> Hypothesis:
    return hypotheses(*taken(tmp_path, told), near, DAY)[0]


def lines(tmp_path: Path, told: list[Told], near: int = 1) -> list[str]:
    return statements(found(tmp_path, told, near))


def test_signed_segments_are_signed_with_a_key_of_our_own(tmp_path: Path) -> None:
    signed: list[Told] = [
        (0, 0, segment(SYN, options=(*parse_options("mss 1460"), *MD5))),
        (1, 1, segment(SYN, ack=1, options=MD5)),
        (2, 0, segment(ACK, 1, 1, options=MD5)),
        (3, 0, segment(ACK, 9, 1)),
        (4, 0, segment(FIN, 1, 1, options=MD5)),
        (5, 1, segment(ACK, 1, 2, options=MD5)),
    ]
    made = found(tmp_path, signed)
    told = statements(made)
    key = 'Md5Key(key=b"assumed")'
    assert told[1:4] == [
        "peer = session.new_peer(isn=1000)",
        f"shared = peer.key_option({key})",
        'listener.set_option("TCP_MD5SIG", shared)',
    ]
    assert 'peer.send(SYN, seq=0, window=65535, options="mss 1460")' in told
    unsigned = told.index('peer.send(ACK, seq=9, ack=1, window=65535, options="")')
    assert told[unsigned - 1] == "peer.keys = ()"
    assert told[unsigned + 1] == f"peer.keys = ({key},)"
    assert "TCP_MD5SIG is set, with a key that is assumed" in made.made.said[0]


def test_what_is_never_answered_is_signed_with_another_key(tmp_path: Path) -> None:
    told = lines(tmp_path, [(0, 0, segment(SYN, options=MD5))])
    assert 'listener.set_option("TCP_MD5SIG", shared)' in told
    signature = MD5[2].raw.hex()
    assert told[-1] == f'peer.send(SYN, seq=0, window=65535, options="nop,nop,opt 19 {signature}")'


def test_a_syn_that_is_sent_more_often_than_usual_has_its_option(tmp_path: Path) -> None:
    often: list[Told] = [(1000 * n, 0, segment(SYN)) for n in range(8)]
    assert 'client.set_option("TCP_SYNCNT", 7)' in lines(tmp_path, often, near=0)
    assert "SYNCNT" not in " ".join(lines(tmp_path, often[:7], near=0))


def test_a_key_of_tcp_ao_has_the_numbers_of_the_capture(tmp_path: Path) -> None:
    signed: list[Told] = [
        (0, 0, segment(SYN, options=(AO_FAR,))),
        (1, 1, segment(SYN, ack=1, options=(AO_NEAR,))),
    ]
    shared = 'shared = peer.key_option(AoKey(key=b"assumed", to_kernel=7, from_kernel=8, mac_length=12))'
    assert shared in lines(tmp_path, signed)
    active = lines(tmp_path, signed, near=0)
    assert active.index('client.set_option("TCP_AO_ADD_KEY", shared)') < active.index(
        "client.connect(peer, wait=False)"
    )
    # where the near side does not sign, it has no key, and a signature is an option like others
    assert not [one for one in lines(tmp_path, [signed[0], HANDSHAKE[1]]) if "key" in one]


def test_data_of_a_syn_that_are_taken_tell_of_fast_open(tmp_path: Path) -> None:
    syn = (0, 0, segment(SYN, data=b"early"))
    opened: list[Told] = [syn, (1, 1, segment(SYN, ack=6)), (2, 1, segment(PSH | ACK, 1, 6, b"soon"))]
    told = lines(tmp_path, opened)
    assert told[0] == 'session.sysctl("net/ipv4/tcp_fastopen", 1539)'
    assert 'listener.set_option("TCP_FASTOPEN", 16)' in told
    assert "server = listener.accept()" in told
    assert told[-4:] == [
        "peer.allow(ACK, ack=Between(low=1, high=6), length=0)",
        "server.receive(5)",
        'server.send(b"....")',
        "peer.expect(ACK, seq=1, ack=6, length=4)",
    ]
    assert "fastopen" not in " ".join(lines(tmp_path, [syn, HANDSHAKE[1]]))


def test_what_is_not_always_challenged_tells_of_the_limit(tmp_path: Path) -> None:
    reset, challenge = segment(RST, 1000), segment(ACK, 1, 1)
    limit = 'session.sysctl("net/ipv4/tcp_invalid_ratelimit", {})'
    flood: list[Told] = [(10, 0, reset), (10.1, 1, challenge), (11, 0, reset), (12, 0, reset)]
    assert limit.format(500) in lines(tmp_path, [*HANDSHAKE, *flood])
    soon: list[Told] = [*flood, (70, 0, reset), (70.1, 1, challenge)]
    assert limit.format(31) in lines(tmp_path, [*HANDSHAKE, *soon])
    late: list[Told] = [(10, 0, reset), (10.1, 1, challenge), (900, 0, reset), (1800, 0, reset)]
    assert "invalid_ratelimit" not in " ".join(lines(tmp_path, [*HANDSHAKE, *late]))
    each: list[Told] = [(10, 0, reset), (10.1, 1, challenge), (11, 0, reset), (11.1, 1, challenge)]
    assert "invalid_ratelimit" not in " ".join(lines(tmp_path, [*HANDSHAKE, *each]))


def test_smaller_segments_of_what_was_sent_in_vain_tell_of_probes_of_the_path(tmp_path: Path) -> None:
    whole, part = segment(PSH | ACK, 1, 1, bytes(1460)), segment(ACK, 1, 1, bytes(1024))
    sent: list[Told] = [*HANDSHAKE, (3, 1, whole), (203, 1, whole), (635, 1, part)]
    probing = 'session.sysctl("net/ipv4/tcp_mtu_probing", 1)'
    told = lines(tmp_path, sent)
    assert probing in told
    assert 'session.sysctl("net/ipv4/tcp_retries1", 1)' in told
    assert 'session.sysctl("net/ipv4/tcp_base_mss", 1024)' in told
    assert probing not in lines(tmp_path, sent[:-1])


def test_a_window_that_stays_small_tells_of_the_buffer(tmp_path: Path) -> None:
    small: list[Told] = [HANDSHAKE[0], (1, 1, segment(SYN, ack=1, window=7300)), HANDSHAKE[2]]
    assert 'listener.set_option("SO_RCVBUF", 8192)' in lines(tmp_path, small)
    grows: list[Told] = [*small, (3, 0, segment(ACK, 1, 1, b"x")), (4, 1, segment(ACK, 1, 2, window=40000))]
    assert "SO_RCVBUF" not in " ".join(lines(tmp_path, grows) + lines(tmp_path, HANDSHAKE))


def test_an_ack_that_the_near_side_does_not_know_of_may_be_lost(tmp_path: Path) -> None:
    fin = segment(FIN, 1, 1)
    told: list[Told] = [
        *HANDSHAKE,
        (3, 1, fin),
        (4, 0, segment(ACK, 1, 2)),
        (212, 1, fin),
        (213, 0, segment(ACK, 1, 2)),
    ]
    orders = {one.order for one in hypotheses(*taken(tmp_path, told), 1, DAY)}
    assert orders == {"in the order of the capture", "frame 5 is lost"}
    assert len({one.order for one in hypotheses(*taken(tmp_path, told[:5]), 1, DAY)}) == 1


def test_numbers_count_from_the_first_syn_where_another_comes_on_the_open_connection(tmp_path: Path) -> None:
    blind: list[Told] = [(3, 0, segment(SYN, 500)), (4, 1, segment(ACK, 1, 1)), (5, 0, segment(RST, 1))]
    _, sightings = taken(tmp_path, [*HANDSHAKE, *blind])
    assert [(one.segment.seq, one.segment.ack) for one in sightings[3:]] == [(500, 0), (1, 1), (1, 0)]
    # and from the new one where the first was refused
    again: list[Told] = [HANDSHAKE[0], (1, 1, segment(RST, 0, 1)), HANDSHAKE[0], (3, 1, segment(SYN, 77, 1))]
    _, sightings = taken(tmp_path, again)
    assert [(one.segment.seq, one.segment.ack) for one in sightings] == [(0, 0), (1, 1), (0, 0), (0, 1)]


def test_a_process_reads_a_bulk_as_it_comes_and_not_where_its_window_closes(tmp_path: Path) -> None:
    def bulk(window: int) -> list[Told]:
        data: list[Told] = [(3 + n, 0, segment(ACK, 1 + 1460 * n, 1, bytes(1460))) for n in range(50)]
        return [*HANDSHAKE, *data, (60, 1, segment(ACK, 1, 73001, window=window))]

    assert [one for one in lines(tmp_path, bulk(500)) if "receive" in one] == ["server.receive(32120)"] * 2
    assert not [one for one in lines(tmp_path, bulk(0)) if "receive" in one]
