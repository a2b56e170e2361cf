"""What programs are made of at random."""

from __future__ import annotations

import socket

from hypothesis import strategies as st

from harness.program.steps import Program
from harness.tcp.options import Option
from harness.tcp.pattern import ANY, Between, Pattern
from harness.tcp.segment import FIN, WRONG_CHECKSUM, Flags, Segment
from harness.tcp.timing import PROMPT, RTO_MIN, Span
from tests.program.fakes import FakeSession

spans = st.sampled_from([PROMPT, RTO_MIN, 3 * RTO_MIN, Span(1_234, "OWN"), RTO_MIN + PROMPT])
numbers = st.integers(0, 2**32 - 1)
flags = st.integers(0, 255).map(Flags)
options = st.sampled_from(["", "mss 1460", "TS", "sack 1:2,nop"])
ranges = st.tuples(numbers, numbers).map(lambda two: Between(min(two), max(two)))
patterns = st.builds(
    Pattern,
    flags,
    seq=st.none() | numbers | ranges,
    ack=st.none() | numbers,
    length=st.just(ANY) | st.integers(0, 1500),
    options=options,
) | st.builds(Pattern, flags, data=st.binary(max_size=20))
segments = st.builds(
    Segment,
    flags=flags,
    seq=numbers,
    window=st.integers(0, 65535),
    data=st.binary(max_size=20) | st.just(bytes(1460)),
    options=st.just(()) | st.just((Option("nop"), Option("opt 253", raw=b"\xab"))),
    checksum=st.none() | st.just(WRONG_CHECKSUM),
    raw_options=st.none() | st.binary(max_size=8),
)
finite = st.floats(allow_nan=False, allow_infinity=False)
plain = st.one_of(st.none(), st.booleans(), st.integers(), finite, st.text(max_size=20), st.binary(max_size=20))


@st.composite
def recorded(draw: st.DrawFn) -> Program:
    """The program of a scenario that does this and that."""
    session = FakeSession()
    listener = session.listen()
    server, peer = session.establish(listener)
    for what in draw(st.lists(st.integers(0, 8), max_size=9)):
        match what:
            case 0:
                peer.send(draw(flags), seq=draw(numbers), data=draw(st.binary(max_size=9)))
            case 1:
                peer.send_together(*draw(st.lists(segments, min_size=1, max_size=3)))
            case 2:
                peer.expect(draw(flags), seq=draw(st.none() | ranges), within=draw(st.none() | spans))
            case 3:
                peer.expect_one_of(first=draw(patterns), second=draw(patterns))
            case 4:
                peer.allow(draw(flags), length=ANY)
            case 5:
                server.receive(draw(st.integers(2, 3000)))
            case 6:
                session.connect((session.address, server.port))
            case 7:
                with server.without_waiting():
                    server.shutdown(socket.SHUT_WR)
            case 8:
                peer.timestamps = draw(st.booleans())
                peer.send_together(peer.send(FIN))
    return session.program()
