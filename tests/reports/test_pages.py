"""The pages of a report: what is on them, that each case opens, and that nothing recorded becomes markup."""

from __future__ import annotations

import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.program.steps import Octets, Program, Send
from harness.tcp.pattern import Difference
from harness.tcp.verdict import Due, Evidence
from harness.trace.events import Called, Event, Probed
from harness.trace.records import Result
from harness.trace.result_kind import ResultKind
from harness.trace.runs import LoadedRun, load
from reports.compare import compare
from reports.findings import Explained, explain, unexplained
from reports.pages.beside import PAGES
from reports.pages.packing import packed, unpacked
from reports.pages.write import PER_PACK, Report, gather, write

MakeRun = Callable[..., Path]
Disorder = Callable[..., tuple[Event, ...]]

HOSTILE = "</script><img src=x onerror=alert(1)> &amp; \"'"
FIN = "scenarios/closing/test_disorder.py::test_fin_is_acknowledged[close-IPv4]"
RST = "scenarios/resets/test_rst.py::test_rst_is_silent"
EVIDENCE = Evidence(
    expected=(Due("> . 2:2(0) ack 2", "accepted"),),
    observed="> . 2:2(0) ack 1 win 512",
    differences=(Difference("ack", "2", "1"),),
    since="the FIN of step 8",
    where="test_disorder.py:12",
)


class _Tags(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def cases_of(folder: Path) -> list[list[str]]:
    """The pieces of every case, as the script of the page gets them."""
    cases: list[list[str]] = []
    for number in range(len(list((folder / "cases").iterdir()))):
        text = (folder / "cases" / f"{number}.js").read_text()
        found = re.fullmatch(r'finwait\.pack\((\d+),"([A-Za-z0-9+/=]+)"\)\n', text)
        assert found, text[:80]
        assert int(found[1]) == number
        pieces: Any = unpacked(found[2])
        cases += pieces
    return cases


def listing(page: str) -> Any:  # noqa: ANN401  (JSON)
    found = re.search(r'<script type="text/plain" id="data">(.*?)</script>', page)
    assert found
    return unpacked(found[1])


@pytest.fixture
def report(make_run: MakeRun, disorder: Disorder) -> Report:
    """Two kernels: one challenges the FIN, and knows nothing of a scenario that the other run lost."""
    bad = Result(
        scenario=FIN, outcome="deviates", answer="challenged", evidence=EVIDENCE, requirements=("RFC9293-E-17",)
    )
    good = Result(scenario=FIN, outcome="conforms", requirements=("RFC9293-E-17",))
    fine = Result(scenario=RST, outcome="conforms")
    first = make_run(bad, fine, timelines={FIN: disorder(accepted=False)}, name="a", kernel_name="uml:5.10")
    second = make_run(good, timelines={FIN: disorder()}, name="b", planned=(FIN, RST))
    return gather([load(first), load(second)])


def test_the_page_counts_by_theme_and_kernel(report: Report, tmp_path: Path) -> None:
    page = write(report, tmp_path / "report").read_text()
    assert report.counts() == [
        ("closing", [{ResultKind.UNEXPECTED: 1}, {ResultKind.CONFORMS: 1}]),
        ("resets", [{ResultKind.CONFORMS: 1}, {ResultKind.LOST: 1}]),
    ]
    links = [attributes.get("href") or "" for tag, attributes in _Tags(page).found if tag == "a"]
    assert "#kernel=uml%3A5.10&kind=deviates+unexpectedly&theme=closing" in links
    fine, lost = map(list(ResultKind).index, (ResultKind.CONFORMS, ResultKind.LOST))
    assert listing(page)["cases"] == [
        [FIN, 0, [0], [[0, 0], [fine, 1]]],
        [RST, 1, [], [[fine, 1], [lost, 2]]],
    ]
    assert listing(page)["whys"] == ["ack: 1, not 2", "", "the run ended before anything was said of it"]


def test_a_case_tells_what_was_expected_seen_and_drawn_and_how_to_repeat_it(report: Report, tmp_path: Path) -> None:
    write(report, tmp_path / "report")
    (on_old, on_new), _ = cases_of(tmp_path / "report")
    assert "<code>&gt; . 2:2(0) ack <mark>2</mark></code>" in on_old
    assert "<code>&gt; . 2:2(0) ack <mark>1</mark> win 512</code>" in on_old
    assert '<th scope="row">since</th><td>the FIN of step 8</td>' in on_old
    assert "An in-sequence FIN advances RCV.NXT by one" in on_old
    assert f"finwait matrix --kernel uml:5.10 &#39;{FIN}&#39;" in on_old
    assert "fin is acknowledged" in on_old
    for piece, name in ((on_old, "uml:5.10"), (on_new, "host")):
        assert '<svg xmlns="http://www.w3.org/2000/svg"' in piece
        here = [attributes for tag, attributes in _Tags(piece).found if tag == "a" and "aria-current" in attributes]
        assert [one["data-run"] for one in here] == ["0" if name == "uml:5.10" else "1"]
    assert f"finwait run &#39;{FIN}&#39;" in on_new


def _recorded(text: str, events: tuple[Event, ...]) -> tuple[tuple[Event, ...], Program]:
    """Events that say the text wherever one may say any, and a program that sends it."""
    at = events[-1].at
    said = Probed(at + 1, text, text, state=text, details={text: text})
    called = Called(at + 2, at + 3, text, (text,), text, text, text)
    judged = msgspec.structs.replace(events[-2], judged=text)
    sends = Send(on="peer", name="send", args=(text,), named={"data": Octets(text.encode())})
    return (*events[:-2], judged, events[-1], said, called), Program(steps=(sends,), gaps=(text,))


def test_what_was_recorded_never_becomes_markup(make_run: MakeRun, disorder: Disorder, tmp_path: Path) -> None:
    def run(scenario: str, text: str, outcome: str, *, name: str, kernel_name: str, accepted: bool) -> LoadedRun:
        evidence = Evidence(
            expected=(Due(text, text),),
            observed=text,
            differences=(Difference("ack", text, text),),
            so_far=(text,),
            since=text,
        )
        asked = ("RFC9293-E-17", text)
        result = Result(
            scenario=scenario, outcome=outcome, message=text, answer=text + outcome, requirements=asked,
            reports=(text,), evidence=evidence if outcome == "deviates" else None, reason=text, fixed_by=text,
        )  # fmt: skip
        none = Result(scenario=scenario + "2", outcome="lost", message=text)
        events, program = _recorded(text, disorder(accepted=accepted))
        of_run = {"kernel": text, "machine": text, "kernel_name": kernel_name}
        return load(make_run(result, none, timelines={scenario: events}, program=program, name=name, **of_run))

    def of(number: int, text: str, scenario: str) -> dict[str, _Tags]:
        before = run(scenario, text, "deviates", name=f"a{number}", kernel_name=text, accepted=False)
        after = run(scenario, text, "conforms", name=f"b{number}", kernel_name=text + "2", accepted=True)
        folder = tmp_path / str(number)
        write(gather((before, after)), folder, {"RFC9293-MUST-1": text}, compare(before, after))
        pages = {path.name: _Tags(path.read_text()) for path in folder.glob("*.html")}
        return pages | {"case": _Tags("".join(cases_of(folder)[0]))}

    hostile, harmless = of(0, HOSTILE, FIN + HOSTILE), of(1, "x", FIN)
    assert set(hostile) == {*PAGES, "case"}
    for page, found in hostile.items():
        assert [tag for tag, _ in found.found] == [tag for tag, _ in harmless[page].found], page
        assert found.text.count(HOSTILE) > 2, page
    assert hostile["case"].text.count(HOSTILE) > 30


@pytest.mark.parametrize(
    ("outcome", "said"),
    [("deviates", "Mended by <code>795a</code>."), ("conforms", "Kernels without <code>795a</code> deviate here.")],
)
def test_a_kernel_that_conforms_is_not_told_what_mends_it(
    make_run: MakeRun, tmp_path: Path, outcome: str, said: str
) -> None:
    write(gather([load(make_run(Result(scenario=FIN, outcome=outcome, fixed_by="795a")))]), tmp_path / "report")
    ((piece,),) = cases_of(tmp_path / "report")
    assert re.findall(r"<p>(?:Mended|Kernels).*(?=</p>)", piece) == [f"<p>{said}"]


def test_the_page_needs_nothing_but_its_packs(report: Report, tmp_path: Path) -> None:
    page = write(report, tmp_path / "report").read_text()
    beside = {path.name: path.read_text() for path in (tmp_path / "report").glob("*.html")}
    assert {path.name for path in (tmp_path / "report").iterdir()} == {"cases", *beside}
    assert page == beside["index.html"]
    pieces = [piece for case in cases_of(tmp_path / "report") for piece in case]
    for tag, attributes in _Tags("".join([*beside.values(), *pieces])).found:
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")) or target.partition("#")[0] in beside, (tag, attributes)
    assert "url(" not in "".join(beside.values()).replace("url(#tip)", "")
    assert "@import" not in "".join(beside.values())


def test_the_capture_comes_with_the_case_unless_it_lies_elsewhere(make_run: MakeRun, tmp_path: Path) -> None:
    secret = tmp_path / "secret.pcapng"
    secret.write_bytes(b"secret")
    path = make_run(
        Result(scenario=FIN, outcome="deviates", capture="captures/fin.pcapng"),
        Result(scenario=RST, outcome="deviates", capture="../../secret.pcapng"),
    )
    (path / "captures" / "fin.pcapng").write_bytes(b"frames")
    write(gather([load(path)]), tmp_path / "report")
    (mine,), (other,) = cases_of(tmp_path / "report")
    assert 'download="fin.pcapng" href="data:application/vnd.tcpdump.pcap;base64,ZnJhbWVz"' in mine
    assert "download" not in other


def test_a_timeline_that_cannot_be_read_is_told_in_its_case(make_run: MakeRun, tmp_path: Path) -> None:
    path = make_run(Result(scenario=FIN, outcome="conforms", timeline="timelines/gone.json"))
    write(gather([load(path)]), tmp_path / "report")
    assert "gone.json cannot be read" in cases_of(tmp_path / "report")[0][0]


def test_a_report_replaces_a_report_and_nothing_else(report: Report, tmp_path: Path) -> None:
    write(report, tmp_path / "report")
    (tmp_path / "report" / "cases" / "7.js").write_text("old")
    write(report, tmp_path / "report")
    assert not (tmp_path / "report" / "cases" / "7.js").exists()
    (tmp_path / "report" / "index.html").unlink()  # interrupted before the end
    write(report, tmp_path / "report")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(FinwaitError, match="holds something other than a report"):
        write(report, tmp_path / "mine")
    (tmp_path / "file").touch()
    with pytest.raises(FinwaitError, match="cannot be made"):
        write(report, tmp_path / "file" / "report")


def test_several_processes_write_what_one_does(make_run: MakeRun, tmp_path: Path) -> None:
    results = [Result(scenario=f"scenarios/x/test_x.py::test_{n}", outcome="conforms") for n in range(9 * PER_PACK)]
    report = gather([load(make_run(*results))])
    written = []
    for processes in (1, 2):
        folder = tmp_path / str(processes)
        write(report, folder, processes=processes)
        written.append({path.name: path.read_text() for path in (folder / "cases").iterdir()})
    assert written[0] == written[1]
    assert len(written[0]) == 9


@pytest.mark.parametrize(
    ("fields", "reason", "kind", "why"),
    [
        ({"outcome": "conforms"}, "", ResultKind.CONFORMS, ""),
        ({"outcome": "conforms", "reason": "is known to deviate"}, "", ResultKind.SURPRISE, "is known to deviate"),
        ({"outcome": "lost", "message": "panic\nmore"}, "", ResultKind.LOST, "panic"),
        ({"outcome": "unsupported", "message": "no AccECN"}, "", ResultKind.UNSUPPORTED, "no AccECN"),
        ({"outcome": "deviates", "evidence": EVIDENCE}, "", ResultKind.UNEXPECTED, "ack: 1, not 2"),
        ({"outcome": "deviates", "message": "expected x"}, "", ResultKind.UNEXPECTED, "expected x"),
        ({"outcome": "deviates"}, "tcp_ack does", ResultKind.KNOWN, "tcp_ack does"),
        ({"outcome": "deviates", "known": True}, "", ResultKind.KNOWN, "the run was told so, and not why"),
        ({"outcome": "deviates", "reason": "a defect, fixed by 6.1"}, "", ResultKind.DEFECT, "a defect, fixed by 6.1"),
        ({"outcome": "deviates", "fixed_by": "795a"}, "", ResultKind.DEFECT, "kernels without 795a do"),
        ({"outcome": "deviates", "fixed_by": "795a", "known": True}, "", ResultKind.DEFECT, "kernels without 795a do"),
    ],
)
def test_what_a_result_is(make_run: MakeRun, fields: dict[str, Any], reason: str, kind: ResultKind, why: str) -> None:
    result = Result(scenario=FIN, **fields)
    run: LoadedRun = load(make_run(result))
    assert explain(run, result, (lambda _, __: Explained(kind, reason)) if reason else unexplained) == (kind, why)


def test_what_is_packed_cannot_end_a_script() -> None:
    assert not set(packed([HOSTILE] * 99)) & set("<>&\"'")
    assert unpacked(packed([HOSTILE])) == [HOSTILE]
