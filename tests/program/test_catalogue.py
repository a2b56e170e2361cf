"""Scenarios are printed as Python, saved and run again: each ends as its original did, with the same answers.

All of the catalogue in ``make nightly``, else a few of each theme. They run in a kernel with virtual time, where a busy
machine makes no peer late.
"""

from __future__ import annotations

import io
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console

from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.program.python import function_name, python
from harness.run.jobs import Task, backend_of
from harness.run.request import ask
from harness.run.workers import Workers
from harness.tcp.verdict import Outcome
from harness.trace.events import Forwarded, Received
from harness.trace.folder import make_folder
from harness.trace.records import Result
from harness.trace.runs import LoadedRun, load

CHECKOUT = Path(__file__).parents[2]
SPEC = parse("uml-virtual:7.2")
NIGHTLY = "FINWAIT_NIGHTLY" in os.environ
SLICE = (
    "api/test_calls.py::test_close_while_closing_is_refused[CLOSING-owned]",
    "api/test_walk.py::test_walk_of_a_server_that_the_peer_closes[IPv4]",
    "authentication/test_signed.py::test_client_signs_its_syn[MD5-IPv4]",
    "closing/test_disorder.py::test_fin_overtaken_by_its_ack_is_acknowledged[close-IPv4-TS]",
    "closing/test_reincarnation.py::test_timestamp_opens_where_the_old_connection_had_none[lower-IPv4]",
    "congestion/test_sack.py::test_first_flight_is_one_segment_after_the_syn_and_ack_was_lost",
    "data/test_checksum.py::test_each_segment_is_sent_with_the_right_checksum[even-IPv4]",
    "ecn/test_ecn.py::test_data_are_ect_only_where_the_server_agreed[CWR-alone-IPv4]",
    "incident/test_incident.py::test_closing_at_the_same_moment_takes_no_retransmission[shutdown_rdwr-IPv6-noTS]",
    "incident/test_remedies.py::test_fin_overtaken_by_its_ack_is_acknowledged_soon[fin-timeout]",
    "ip/test_flow_label.py::test_all_segments_of_a_connection_have_one_label[IPv6]",
    "ip/test_headers.py::test_route_that_arrives_later_replaces_the_stored_one",
    "lectures/test_closing.py::test_simultaneous_close_goes_through_closing_on_both_sides[IPv4-TS]",
    "opening/test_syn_cookies.py::test_cookie_that_is_off_by_one_is_reset[IPv4]",
    "options/test_fast_open.py::test_data_with_a_forged_cookie_are_not_acknowledged[IPv4]",
    "options/test_urgent.py::test_urgent_pointer_behind_a_fin_is_ignored[IPv4]",
    "reading/test_wakeups.py::test_data_in_sequence_wake_the_reader[IPv4]",
    "reports/test_listeners.py::test_acknowledged_syn_ack_is_not_sent_again",
    "reports/test_resets.py::test_reset_for_a_connection_that_is_gone_is_signed",
    "reports/test_resets.py::test_killed_socket_resets_its_peer_and_tells_its_process",
    "resets/test_icmp.py::test_soft_error_does_not_end_an_attempt_to_connect[time-exceeded-IPv6]",
    "router/test_forwarding.py::test_connection_is_used_and_closed[IPv4]",
    "states/test_aborts_in_states.py::test_abort_in_time_wait_forgets_the_connection[TIME-WAIT-owned-linger_0-IPv4]",
    "states/test_closing_in_states.py::test_closing_sends_a_fin[shutdown_wr-passively-IPv4]",
    "timers/test_persist.py::test_probe_carries_an_octet_of_the_data_that_wait",
    "windows/test_receiving.py::test_of_data_that_overrun_the_window_the_part_inside_is_taken[nothing-unread-IPv4]",
)
"""What is run outside of the nightly: small files, of what conforms and what deviates."""

BY_CHANCE = {
    "incident/test_nginx.py::test_nginx_and_a_client_close_at_the_same_moment": "nginx writes and closes when it likes",
    "router/test_translation.py::test_port_that_the_router_forgot_too_early_is_given_to_another_connection": (
        "whether the server takes the new SYN hangs on the initial number that the client's kernel draws"
    ),
}
"""Scenarios that name all that may come, of which one run sees one and its program another."""

REFUSES = "mistake in the scenario: not all of the scenario is here: TCP_QUEUE_SEQ"
"""What the program says of itself that holds a number of the run in which it was printed."""

A_FILE = 60
"""Printed scenarios in one file: a guest's memory does not hold the syntax tree of thousands."""

OF_THIS_RUN = re.compile(r"(?<=TS val )\d+|(?<=opt 34 )\w+|(?<=opt 19 )\w+|(?<=opt 29 )\w+|(?<=flow label )\d+")
"""What a kernel chooses anew in each run: its timestamp clock, Fast Open cookies, and signatures over all of that."""

ECHOED = re.compile(r"(?<=ecr )\d+")
"""Between two kernels, the other one's clock."""


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    """One kernel that is asked twice."""
    if missing := backend_of(SPEC, Cache.of_user()).available():
        pytest.skip(missing)
    make_folder(tmp_path / "out")
    with Workers(tmp_path / "out", CHECKOUT, Cache.of_user(), Console(file=io.StringIO()), at_once=1) as one:
        yield one


def ran(workers: Workers, folder: Path, *given: str, more: bool = False) -> LoadedRun:
    """A run of these scenarios."""
    (reply,) = workers.ask([Task(SPEC, folder, ask(SPEC, given, CHECKOUT))], more=more)
    assert not reply.lost, reply
    return load(folder)


def printed(run: LoadedRun, folder: Path) -> dict[str, Result]:
    """Save all programs of a run, and say by its new name what each is of; what the kernel lacks, did nothing."""
    folder.mkdir()
    did = [result for result in run.results.values() if result.timeline]
    assert {result.outcome for result in run.results.values() if not result.timeline} <= {Outcome.UNSUPPORTED}
    by_name = {f"test_{number:05}": result for number, result in enumerate(did)}
    named = iter(by_name.items())
    while chunk := [*itertools.islice(named, A_FILE)]:
        texts = [_renamed(python(run.program(result), result.scenario), result, name) for name, result in chunk]
        (folder / f"{chunk[0][0]}.py").write_text("\n\n".join(texts))
    return by_name


def _renamed(text: str, result: Result, name: str) -> str:
    return text.replace(f"def {function_name(result.scenario)}(", f"def {name}(", 1)


def ending(run: LoadedRun, result: Result) -> tuple[object, ...]:
    """How a scenario ended, and what its kernels had sent in relative numbers."""
    sent = []
    for event in run.timeline(result):
        if isinstance(event, Received | Forwarded):
            text = OF_THIS_RUN.sub("?", str(event.segment))
            sent.append((event.connection, ECHOED.sub("?", text) if isinstance(event, Forwarded) else text))
    return result.outcome, result.answer, result.choices, sent


def test_slice_has_scenarios_of_every_theme() -> None:
    themes = {path.parent.name for path in (CHECKOUT / "scenarios").glob("*/test_*.py")}
    assert {one.partition("/")[0] for one in SLICE} == themes


def test_printed_programs_end_as_their_scenarios_did(workers: Workers, tmp_path: Path) -> None:
    given = ["scenarios"] if NIGHTLY else [f"scenarios/{one}" for one in SLICE]
    before = ran(workers, tmp_path / "out" / "before", *(str(CHECKOUT / one) for one in given), more=True)
    assert len(before.results) >= len(SLICE)
    originals = printed(before, tmp_path / "printed")
    after = ran(workers, tmp_path / "out" / "after", "--assert=plain", str(tmp_path / "printed"))
    again = {scenario.rpartition("::")[2].partition("[")[0]: one for scenario, one in after.results.items()}
    assert again.keys() == originals.keys()
    pairs = [(original, again[name]) for name, original in originals.items()]
    other = [
        f"{original.scenario}: {ending(before, original)}, and then {ending(after, one)}, {one.message}"
        for original, one in pairs
        if ending(before, original) != ending(after, one)
        and original.scenario.removeprefix("scenarios/").partition("[")[0] not in BY_CHANCE
        and REFUSES not in one.message
    ]
    assert not other, "\n\n".join(other)
