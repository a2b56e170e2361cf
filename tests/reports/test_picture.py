"""Ladders as pictures, looked at as the XML that a browser reads."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from xml.etree import ElementTree

from harness.tcp.segment import ACK, FIN, Segment
from harness.trace.events import Called, Event, Forwarded, Probed, Received, Sent
from reports.ladder import ladder
from reports.picture import picture

ZERO = 1_700_000_000_000_000_000
MS = 1_000_000
SVG = "{http://www.w3.org/2000/svg}"

Disorder = Callable[..., tuple[Event, ...]]


def drawn(events: Iterable[Event], *, odd: str = "", kernel: str = "5.10", brief: bool = True) -> ElementTree.Element:
    return ElementTree.fromstring(picture(ladder(events, kernel=kernel, brief=brief), odd=odd))


def texts(root: ElementTree.Element) -> list[str]:
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def of_class(root: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    return [one for one in root.iter() if name in one.get("class", "").split()]


def test_segments_calls_and_lanes_are_drawn(disorder: Disorder) -> None:
    root = drawn(disorder())
    assert {"peer", "5.10", "F. 1:1(0) ack 1", "shutdown(SHUT_WR) = 0", "accepted"} <= set(texts(root))
    segments = sum(isinstance(event, Sent | Received) for event in disorder())
    assert len(of_class(root, "arrow")) == segments


def test_states_are_bands_one_below_the_other(disorder: Disorder) -> None:
    bands = of_class(drawn(disorder()), "band")
    assert [band.get("class", "").split()[1] for band in bands] == [
        *("s-SYN-RECEIVED", "s-ESTABLISHED", "s-FIN-WAIT-1", "s-FIN-WAIT-2", "s-TIME-WAIT")
    ]
    ends = [int(band.get("y", "")) + int(band.get("height", "")) for band in bands]
    assert [int(band.get("y", "")) for band in bands[1:]] == ends[:-1]


def test_a_socket_that_is_gone_has_no_band() -> None:
    gone = [Probed(ZERO, "p", state="ESTABLISHED"), Probed(ZERO + 5 * MS, "p", state="CLOSED")]
    assert [band.get("class") for band in of_class(drawn(gone), "band")] == ["band s-ESTABLISHED"]


def test_each_of_two_kernels_has_its_bands_on_its_own_lane() -> None:
    events: list[Event] = [
        Forwarded(ZERO, Segment(flags=ACK, seq=1, ack=1), "client", (ZERO,)),
        Probed(ZERO + 2 * MS, "p", state="ESTABLISHED", side="client"),
        Probed(ZERO + 4 * MS, "p", state="CLOSE-WAIT", side="server"),
        Called(ZERO + 6 * MS, ZERO + 6 * MS, "close", side="client"),
    ]
    root = drawn(events)
    client, server = of_class(root, "band")
    assert int(client.get("x", "")) < int(server.get("x", ""))
    (call,) = of_class(root, "call")
    assert call.text == "close() = 0"
    assert int(call.get("x", "")) < int(client.get("x", ""))


def test_a_pause_is_folded_and_its_length_told(disorder: Disorder) -> None:
    assert "200 ms pass" in texts(drawn(disorder(accepted=False)))
    assert len(of_class(drawn(disorder(accepted=False)), "fold")) == 2  # one on each lane
    assert of_class(drawn(disorder()), "fold") == []


def test_the_whole_segment_is_shown_where_the_pointer_rests(disorder: Disorder) -> None:
    root = drawn(disorder())
    titles = [one.text or "" for one in root.iter(f"{SVG}title")]
    assert any("F. 1:1(0) ack 1 win 512 <nop,nop,TS val 3 ecr 2>" in title for title in titles)
    assert not any("win 512" in text for text in texts(root))


def test_what_the_verdict_rests_on_a_drop_and_a_challenge_are_marked(disorder: Disorder) -> None:
    events = disorder(accepted=False, timestamps=False)
    root = drawn(events, odd=". 2:2(0) ack 1 win 512")
    (odd,) = of_class(root, "odd")
    challenged = next(one for one in of_class(root, "remark") if "challenged" in (one.text or ""))
    top = int(odd.get("y", ""))
    assert top < int(challenged.get("y", "")) < top + int(odd.get("height", ""))
    assert challenged.text != "challenged"
    drop = next(one for one in root.iter(f"{SVG}text") if "TCP_OLD_ACK" in (one.text or ""))
    assert drop.get("class") == "rst"
    assert of_class(drawn(events), "odd") == []


def test_a_segment_that_the_path_dropped_ends_in_a_cross() -> None:
    segment = Segment(flags=ACK | FIN, seq=1, ack=1)

    def tip(fate: str, *left: int) -> str:
        (arrow,) = of_class(drawn([Forwarded(ZERO, segment, "client", left, fate)]), "arrow")
        return arrow.get("d", "").partition("L")[2]

    assert tip("dropped") != tip("held")


def test_markup_and_control_characters_in_what_was_recorded_stay_text() -> None:
    hostile = "</text><script>alert(1)</script>\x00\x1b\udc80 &\"'"
    event = Received(ZERO, Segment(flags=ACK, data=b"<b>"), "", judged=hostile)
    called = Called(ZERO, ZERO, "run", (hostile,), hostile)
    root = drawn([event, called, Probed(ZERO + 9 * MS, "p", state=hostile)], kernel=hostile)
    assert list(root.iter("script")) + list(root.iter(f"{SVG}script")) == []
    assert any("</text><script>alert(1)</script>\ufffd\ufffd\ufffd &\"'" in text for text in texts(root))


def test_nothing_recorded_is_said() -> None:
    assert "nothing was recorded" in texts(drawn([]))
