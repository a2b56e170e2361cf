"""The conversations that RFC 9293 draws: each step of its figures 5 to 13, typed in from there."""

from __future__ import annotations

from harness.model.connection import ControlBlock
from harness.model.rfc9293 import answers
from harness.tcp.segment import ACK, FIN, RST, SYN
from tests.model.told import only, seg, told


def test_figure_6_basic_handshake() -> None:
    asking = ControlBlock("SYN-SENT", snd_una=100, snd_nxt=101, iss=100, actively=True)
    assert only(asking, seg(SYN, 300, ack=101)) == ("<SEQ=101><ACK=301><CTL=ACK>", "ESTABLISHED")
    answered = ControlBlock("SYN-RECEIVED", snd_una=300, snd_nxt=301, iss=300, rcv_nxt=101, rcv_wnd=1000)
    assert only(answered, seg(ACK, 101, ack=301)) == ("", "ESTABLISHED")


def test_figure_7_simultaneous_synchronization() -> None:
    asking = ControlBlock("SYN-SENT", snd_una=100, snd_nxt=101, iss=100, actively=True)
    (answer,) = answers(asking, seg(SYN, 300))
    assert told(answer) == ("<SEQ=100><ACK=301><CTL=SYN,ACK>", "SYN-RECEIVED")
    assert answer.after.actively


def test_figure_8_recovery_from_an_old_duplicate_syn() -> None:
    (opened,) = answers(ControlBlock("LISTEN"), seg(SYN, 90))
    assert (opened.ack, opened.flags, opened.after.state) == (91, SYN | ACK, "SYN-RECEIVED")
    asking = ControlBlock("SYN-SENT", snd_una=100, snd_nxt=101, iss=100, actively=True)
    assert only(asking, seg(SYN, 300, ack=91)) == ("<SEQ=91><CTL=RST>", "SYN-SENT")
    answered = ControlBlock("SYN-RECEIVED", snd_una=300, snd_nxt=301, iss=300, rcv_nxt=91, rcv_wnd=1000)
    assert only(answered, seg(RST, 91)) == ("", "LISTEN")


def test_figure_9_half_open_connection_discovery() -> None:
    there = ControlBlock("ESTABLISHED", snd_una=300, snd_nxt=300, rcv_nxt=100, rcv_wnd=1000)
    assert only(there, seg(SYN, 400)) == ("<SEQ=300><ACK=100><CTL=ACK>", "ESTABLISHED")
    again = ControlBlock("SYN-SENT", snd_una=400, snd_nxt=401, iss=400, actively=True)
    assert only(again, seg(ACK, 300, ack=100)) == ("<SEQ=100><CTL=RST>", "SYN-SENT")
    assert only(there, seg(RST, 100)) == ("", "CLOSED")


def test_figure_10_active_side_causes_discovery() -> None:
    assert only(ControlBlock("CLOSED"), seg(ACK, 300, ack=100, length=10)) == ("<SEQ=100><CTL=RST>", "CLOSED")


def test_figure_11_old_duplicate_syn_at_two_passive_sockets() -> None:
    z, x = 7000, 9000
    assert answers(ControlBlock("LISTEN"), seg(SYN, z))[0].ack == z + 1
    assert only(ControlBlock("LISTEN"), seg(SYN, x, ack=z + 1)) == ("<SEQ=7001><CTL=RST>", "LISTEN")


def test_figure_12_normal_close() -> None:
    asked = ControlBlock("ESTABLISHED", snd_una=300, snd_nxt=300, rcv_nxt=100, rcv_wnd=1000)
    assert only(asked, seg(FIN, 100, ack=300)) == ("<SEQ=300><ACK=101><CTL=ACK>", "CLOSE-WAIT")
    ended = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    assert only(ended, seg(ACK, 300, ack=101)) == ("", "FIN-WAIT-2")
    waits = ControlBlock("FIN-WAIT-2", snd_una=101, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    assert only(waits, seg(FIN, 300, ack=101)) == ("<SEQ=101><ACK=301><CTL=ACK>", "TIME-WAIT")
    last = ControlBlock("LAST-ACK", snd_una=300, snd_nxt=301, rcv_nxt=101, rcv_wnd=1000)
    assert only(last, seg(ACK, 101, ack=301)) == ("", "CLOSED")


def test_figure_13_simultaneous_close() -> None:
    ended = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    assert only(ended, seg(FIN, 300, ack=100)) == ("<SEQ=101><ACK=301><CTL=ACK>", "CLOSING")
    crossed = ControlBlock("CLOSING", snd_una=100, snd_nxt=101, rcv_nxt=301, rcv_wnd=1000)
    assert only(crossed, seg(ACK, 301, ack=101)) == ("", "TIME-WAIT")
    assert only(crossed, seg(ACK, 301, ack=100)) == ("", "CLOSING")


def test_figure_5_note_2_fin_with_the_ack_of_the_own() -> None:
    ended = ControlBlock("FIN-WAIT-1", snd_una=100, snd_nxt=101, rcv_nxt=300, rcv_wnd=1000)
    assert only(ended, seg(FIN, 300, ack=101)) == ("<SEQ=101><ACK=301><CTL=ACK>", "TIME-WAIT")
