"""packetdrill's scripts as pytest items: one for each IP version that a script runs over, recorded as any scenario."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from harness.errors import FinwaitError, Unsupported
from harness.live.calibration import await_phase
from harness.packetdrill.parser import parse
from harness.packetdrill.run import ScriptRun
from harness.packetdrill.script import CodeBlock, Script, ShellCommand
from harness.packetdrill.variants import Variant, variants_of
from harness.plugin.items import MUTATIONS, SCENARIO
from harness.plugin.recorder import RECORDER, Scenario


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Take what ends in ``.pkt``."""
    return ScriptFile.from_parent(parent, path=file_path) if file_path.suffix == ".pkt" else None


class ScriptFile(pytest.File):
    """A script, with an item for each of its variants."""

    def collect(self) -> Iterator[pytest.Item]:
        """The items; a script with a mistake has them as well, and fails when it is read."""
        text = _text(self.path)
        for variant in variants_of(text):
            yield ScriptItem.from_parent(self, name=f"{self.path.stem}[{variant.name}]", variant=variant)


class ScriptItem(pytest.Item):
    """A script in one of its variants."""

    def __init__(self, *, variant: Variant, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]  # pytest's own
        self._variant = variant
        self._stack = ExitStack()
        self.add_marker("scenario")

    def scenario(self) -> Scenario:
        """What is known of it before it ran."""
        place, *_ = self.location
        text = _text(self.path)
        told = repr((text, self._variant, sorted(self._defines().items()), sorted(self._options().items())))
        return Scenario(
            id=self.nodeid,
            params={"ip_version": self._variant.name},
            digest=hashlib.sha256(told.encode(errors="surrogateescape")).hexdigest()[:16],
            place=f"{place}:1",
            end=f"{place}:{text.count(chr(10)) or 1}",
        )

    def runtest(self) -> None:
        """Run it in a lab of its own, which stays until its result is recorded."""
        text = _text(self.path)
        place, *_ = self.location
        script = parse(text, place, self._defines())
        if self.config.option.no_commands:
            _refuse_commands(script)
        mutation = self.config.stash[MUTATIONS].of(self.stash[SCENARIO].id)
        run = ScriptRun(
            *(script, self.path, text.splitlines(), self._options()),
            mutation=mutation,
            strict=self.config.option.pkt_strict,
        )
        session = self._stack.enter_context(run)
        self.config.stash[RECORDER].opened(self.stash[SCENARIO], session)
        if self.config.option.timing == "virtual":
            await_phase()
        session.run()
        self.stash[SCENARIO].finish()

    def teardown(self) -> None:
        """Take down the lab."""
        self._stack.close()

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where it is."""
        return self.path, 0, self.name

    def _defines(self) -> dict[str, str]:
        return {**self._variant.defines, **dict(self.config.option.pkt_define)}

    def _options(self) -> dict[str, str]:
        return {**self._variant.options, **dict(self.config.option.pkt_option)}


def _refuse_commands(script: Script) -> None:
    actions = (script.init, *(event.action for event in script.events), script.cleanup)
    for action in actions:
        if isinstance(action, ShellCommand | CodeBlock):
            what = "a command" if isinstance(action, ShellCommand) else "code"
            raise Unsupported(f"line {action.line}: there is {what}, which --no-commands refuses")


def line_of(error: Unsupported) -> int:
    """The line of a script that an error names; the first where it names none."""
    named = re.match(r"line (\d+): ", error.what)
    return int(named[1]) if named else 1


def _text(path: Path) -> str:
    try:
        return path.read_text(errors="surrogateescape")  # a command's octets stay what they are
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read: {error.strerror}") from error
