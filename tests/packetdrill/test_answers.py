"""What the kernel sent is counted, and what no line has taken is told; scripts notice what is done to one of it."""

from __future__ import annotations

import re
from contextlib import nullcontext
from pathlib import Path

import pytest

from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun
from harness.tcp.mutation import KINDS, Mutation
from harness.tcp.verdict import Mismatch
from harness.trace.events import Probed
from tests.packetdrill.mounts import own_mounts
from tests.packetdrill.scripts import SLACK, WHOLE

pytestmark = pytest.mark.usefixtures("stamped")


@own_mounts
def test_what_no_line_mentions_in_the_end_passes_with_a_note_and_deviates_where_that_is_asked(tmp_path: Path) -> None:
    text = WHOLE.removesuffix("+0 > . 1002:1002(0) ack 2\n") + "+.05 `true`\n"
    slow = {"tolerance_usecs": SLACK}
    ended = "> . 1002:1002(0) ack 2 win"
    for strict in (False, True):
        session = ScriptRun(parse(text, "x.pkt"), tmp_path / "x.pkt", text.splitlines(), slow, strict=strict)
        with session:
            session.run()
            with pytest.raises(Mismatch, match=re.escape(ended)) if strict else nullcontext():
                session.finish()
        notes = [one.what for one in session.timeline if isinstance(one, Probed)]
        assert [ended in note for note in notes] == [True] * (not strict)
    with ScriptRun(parse(WHOLE, "x.pkt"), tmp_path / "x.pkt", WHOLE.splitlines(), slow, strict=True) as whole:
        whole.run()
        whole.finish()


@pytest.mark.parametrize("kind", KINDS)
def test_a_script_notices_what_becomes_of_an_answer(kind: str, tmp_path: Path) -> None:
    given, lines = {"tolerance_usecs": SLACK}, WHOLE.splitlines()
    mutation = Mutation(kind, 4)  # the last of its segments

    def whole() -> None:
        session.run()
        session.finish()

    with ScriptRun(parse(WHOLE, "x.pkt"), tmp_path / "x.pkt", lines, given, mutation=mutation) as session:
        with pytest.raises(Mismatch):
            whole()
        assert session.account().mutated
