"""A printed packetdrill script says what happened, and names what its language cannot say."""

from __future__ import annotations

import socket

from hypothesis import given, settings

from harness.program.packetdrill import packetdrill
from harness.program.steps import Program
from harness.tcp.segment import ACK, FIN, WRONG_CHECKSUM
from tests.program.fakes import ID, FakeSession
from tests.program.programs import recorded


@settings(max_examples=40)
@given(recorded())
def test_every_program_has_a_script(program: Program) -> None:
    lines = packetdrill(program, ID).splitlines()
    assert all(line.startswith(("//", "+", "*", "`", "--")) for line in lines if line)


def test_a_script_reads_like_packetdrill_and_says_what_it_cannot() -> None:
    session = FakeSession()
    server, peer = session.establish(session.listen())
    server.shutdown(socket.SHUT_WR)
    peer.expect(FIN, seq=1, ack=1)
    peer.send(FIN | ACK, seq=1, ack=2)
    peer.send(ACK, seq=2, ack=2, checksum=WRONG_CHECKSUM)
    lines = packetdrill(session.program(), ID).splitlines()
    assert lines[-4:] == [
        "+0 shutdown(3, SHUT_WR) = 0",
        "+0~+0.04 > F. 1:1(0) ack 1 <...>",
        "+0 < F. 1:1(0) ack 2 win 65535",
        "// cannot be said: a checksum of one's own: < . 2:2(0) ack 2 win 65535 checksum wrong (peer.send)",
    ]


def test_two_kernels_have_no_script() -> None:
    assert "cannot be said: two kernels" in packetdrill(Program(topology="path_session"), ID)
