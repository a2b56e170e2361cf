"""What pytest makes of scenarios: run in a process of its own, as a user would, and read from its run folder."""

from __future__ import annotations

import pytest

from tests.plugin.conftest import FOUR, RunScenarios


def test_four_outcomes_in_pytests_words_and_in_the_results(run: RunScenarios) -> None:
    ran = run(FOUR)
    assert "1 failed, 1 passed, 1 skipped, 1 error" in ran.output
    assert ran.status == 2  # one of them is a mistake in the scenario
    assert ran.outcomes == {
        "test_conforms": "conforms",
        "test_deviates": "deviates",
        "test_unsupported": "unsupported",
        "test_lost": "lost",
    }
    assert "finwait: 1 conforms, 1 deviates, 1 unsupported, 1 lost; run folder a run/run" in ran.output
    assert ran.record["planned"] == [f"test_s.py::{name}" for name in ran.outcomes]
    assert "this kernel has no such thing; too old" in ran.results["test_unsupported"]["message"]
    where, _, what = ran.results["test_lost"]["message"].partition(": ")
    assert where.startswith("test_s.py:")
    assert what.startswith("mistake in the scenario: ZeroDivisionError: a bug in the scenario; in: raise ZeroDivision")


BUSY = """
def test_busy(session):
    from harness.errors import TooBusy
    raise TooBusy("the peer answered late")


def test_busy_path(two_kernels, monkeypatch):
    from harness import ACK
    from harness.path.passages import Passage
    monkeypatch.setattr(Passage, "delay_ns", 10**9)
    client, _, path = two_kernels
    client.send(b"x")
    path.expect(ACK, from_="client", length=1, at_least=0.03)
"""


def test_summary_tells_what_was_lost_to_a_busy_machine_from_what_was_lost_otherwise(run: RunScenarios) -> None:
    ran = run(BUSY + FOUR, "-k", "busy or lost or conforms")
    lost = {"test_busy": "lost", "test_busy_path": "lost", "test_lost": "lost"}
    assert ran.outcomes == {"test_conforms": "conforms"} | lost
    assert ran.results["test_busy"]["message"].startswith("the peer answered late; other programs kept this ")
    assert "came at the wrong time (time: " in ran.results["test_busy_path"]["message"]
    assert ", and the path took 1000 ms to forward " in ran.results["test_busy_path"]["message"]
    assert "finwait: 1 conforms, 3 lost (2: the machine was too busy); run folder " in ran.output
    alone = run(BUSY, name="alone")
    assert alone.status == 2
    assert "finwait: 2 lost: the machine was too busy; run folder " in alone.output


def test_all_conform_is_status_zero(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms")
    assert ran.status == 0
    assert ran.outcomes == {"test_conforms": "conforms"}


def test_what_is_unsupported_is_no_failure_and_says_why(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "unsupported")
    assert ran.status == 0
    assert "this kernel has no such thing; too old; try: a newer one" in ran.output
    assert ran.outcomes == {"test_unsupported": "unsupported"}


def test_packages_that_skips_name_are_added_up_in_one_line(run: RunScenarios) -> None:
    ran = run("""
        @pytest.mark.parametrize("program", ["nosuch-b", "nosuch-a"])
        def test_program(session, program):
            session.run(program)
        """)
    assert "finwait: 2 skips for lack of packages; try: apt-get install nosuch-a nosuch-b\n" in ran.output


def test_deviation_shows_the_failure_text_and_no_traceback(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "deviates")
    assert ran.status == 1
    assert "expected  > . 1:2(1) ack 1   within 40 ms (PROMPT)\nobserved  > P. 1:2(1) ack 1 " in ran.output
    assert "(data: b'x', not b'y')" in ran.output
    assert "\nwhere     test_s.py:" in ran.output
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output


@pytest.mark.parametrize(
    ("mark", "told"),
    [("waits", "waits='test_it'"), ("waits()", "waits=''"), ('waits("1 s")', "waits='1 s'")],
)
def test_waiting_that_is_no_time_is_one_line(run: RunScenarios, mark: str, told: str) -> None:
    ran = run(f"from harness import waits\n\n@{mark}\ndef test_it(session):\n    session.listen()\n")
    assert ran.status == 2
    assert f"{told} is not a time" in ran.output
    assert "Traceback" not in ran.output


def test_scenario_says_in_seconds_how_long_it_waits(run: RunScenarios) -> None:
    ran = run("from harness import waits\n\n@waits(0.5, 0.25)\ndef test_it(session):\n    session.connect()\n")
    assert ran.outcomes == {"test_it": "conforms"}


def test_a_requirement_without_parentheses_is_one_line(run: RunScenarios) -> None:
    ran = run("@requirement\ndef test_it(session):\n    pass\n")
    assert ran.status == 2
    (told,) = [text for text in ran.output.splitlines() if text.startswith("test_s.py:")]
    assert "'test_it' is not the id of a requirement; " in told
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output


VOID = {
    "session": "pass",
    "established": "server, peer = established",
    "established.": "established.peer.allow(ACK)",
    "session.": "session.new_peer(); session.settle()",
    "two_kernels": "two_kernels.path.drop(FIN, from_='client')",
}


@pytest.mark.parametrize("fixture", VOID)
def test_scenario_that_expects_nothing_is_a_mistake_in_one_line(run: RunScenarios, fixture: str) -> None:
    ran = run(f"def test_void({fixture.rstrip('.')}):\n    {VOID[fixture]}\n")
    assert ran.status == 2
    assert ran.outcomes == {"test_void": "lost"}
    said = "test_s.py:6: mistake in the scenario: test_void expects nothing of the kernel, so it cannot fail; try: "
    assert len([text for text in ran.output.splitlines() if text.startswith(said)]) == 1
    assert "Traceback" not in ran.output
    assert "harness/" not in ran.output


def test_scenario_of_a_marker_alone_that_asserts_nothing_is_a_mistake(run: RunScenarios) -> None:
    ran = run("@pytest.mark.scenario\ndef test_void():\n    pass\n")
    assert "test_s.py:6: mistake in the scenario: test_void expects nothing of the kernel" in ran.output
    assert ran.status == 2


JUDGING = """
def test_call_that_comes_back(session): session.connect()
def test_option_that_is_taken(established): established.endpoint.set_option("TCP_NODELAY", 1)
def test_silence(established): established.peer.expect_silence()
def test_silence_after_a_segment(established): established.peer.send(RST, seq=1)
def test_what_is_known(session): assert session.sockets() == []
def test_what_a_fixture_saw(session, established): assert session.events(Received)
def test_words_of_its_own(established): said(established)
def said(connection): assert connection.endpoint.port
def test_refusal(session):
    with pytest.raises(FinwaitError):
        session.listen(port=99999)
def test_choice(session):
    if session.sockets():
        pytest.fail("there are sockets")
"""


def test_scenario_expects_something_in_one_of_many_ways(run: RunScenarios) -> None:
    ran = run(JUDGING)
    assert set(ran.outcomes.values()) == {"conforms"}
    assert len(ran.outcomes) == JUDGING.count("def test_")
    assert ran.status == 0


@pytest.mark.parametrize("step", ["assert established.peer.choices == [1]", "pytest.fail('not as I like it')"])
def test_any_failure_with_a_session_says_what_the_kernel_knew_and_what_went_before(
    run: RunScenarios, step: str
) -> None:
    ran = run(f"def test_it(established):\n    {step}\n")
    assert ran.status == 1
    assert ran.outcomes == {"test_it": "deviates"}
    message = ran.results["test_it"]["message"]
    assert message.startswith(f"expected  {step}\nobserved  ")
    assert message.splitlines()[-2:] == ["where     test_s.py:7", f"capture   {ran.results['test_it']['capture']}"]
    for text in ("\nobserved  ", "\nkernel    ", "now ESTABLISHED", "\nso far    ", "accept() = "):
        assert text in message
        assert text in ran.output


OTHERS = """
@pytest.fixture
def session():
    return "a database's"

def test_others(session):
    assert session
"""


def test_fixture_of_another_that_is_called_session_makes_no_scenario(run: RunScenarios) -> None:
    ran = run(OTHERS)
    assert ran.status == 0
    assert not ran.folder.exists()


def test_fixture_that_goes_on_from_ours_makes_a_scenario_and_so_does_the_mark(run: RunScenarios) -> None:
    ran = run(
        OTHERS.replace("def session():", "def session(session):").replace("a database's", "ours")
        + "\n@pytest.mark.scenario\ndef test_marked(request):\n    assert 'session' not in request.fixturenames\n"
        + "\ndef test_late(request):\n    request.getfixturevalue('session')\n"
    )
    assert ran.status == 0
    assert ran.outcomes == dict.fromkeys(("test_others", "test_marked", "test_late"), "conforms")
    assert ran.record["planned"] == ["test_s.py::test_others", "test_s.py::test_marked"]


KNOWN = """
@requirement("RFC9293-3.6", fixed_by="0123456789ab")
def test_known(established):
    server, peer = established
    server.send(b"x")
    peer.expect(ACK, data=b"y")
"""


def test_known_deviation_is_reported_and_passes_only_when_asked(run: RunScenarios) -> None:
    tolerant = run(KNOWN, "--known-deviations", name="tolerant")
    assert tolerant.status == 0
    assert "1 xfailed" in tolerant.output
    assert "0123456789ab" in tolerant.output
    assert tolerant.results["test_known"]["known"] is True
    strict = run(KNOWN, name="strict")
    assert strict.status == 1
    assert not strict.results["test_known"]["known"]
    for ran in (tolerant, strict):
        assert ran.outcomes == {"test_known": "deviates"}
        assert ran.results["test_known"]["fixed_by"] == "0123456789ab"
        assert ran.results["test_known"]["requirements"] == ["RFC9293-3.6"]


def test_unknown_deviation_fails_also_among_known_ones(run: RunScenarios) -> None:
    ran = run(KNOWN + FOUR, "--known-deviations", "-k", "known or deviates")
    assert ran.status == 1
    assert ran.outcomes == {"test_known": "deviates", "test_deviates": "deviates"}
    assert [name for name, result in ran.results.items() if result.get("known")] == ["test_known"]


def test_segment_that_a_scenario_never_mentioned_fails_it(run: RunScenarios) -> None:
    ran = run("def test_silent(established):\n    established.endpoint.send(b'x')\n")
    assert ran.outcomes == {"test_silent": "deviates"}
    assert "expected  > nothing more" in ran.output


def test_what_uses_no_session_is_no_scenario(run: RunScenarios) -> None:
    ran = run("def test_plain():\n    pass\n")
    assert ran.status == 0
    assert not ran.folder.exists()


def test_mutated_answer_is_noticed_and_said(run: RunScenarios) -> None:
    ordinary = run(FOUR, "-k", "conforms", name="ordinary")
    assert ordinary.results["test_conforms"]["received"] == 2
    for kind in ("drop", "seq", "delay"):
        ran = run(
            FOUR, "-k", "conforms", f"--mutate-answer={kind}:last", f"--mutate-after={ordinary.folder}", name=kind
        )
        assert ran.outcomes == {"test_conforms": "deviates"}
        assert ran.results["test_conforms"]["mutated"] is True


def test_mutation_of_an_answer_that_never_comes_changes_nothing(run: RunScenarios) -> None:
    ran = run(FOUR, "-k", "conforms", "--mutate-answer=drop:9")
    assert ran.outcomes == {"test_conforms": "conforms"}
    assert not ran.results["test_conforms"].get("mutated")
