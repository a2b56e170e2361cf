"""The end of a run, in the process that the user started: its exit status, and the lines that it closes with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Generator
from pathlib import Path

import pytest

from harness.ci.outputs import on_github, tell_github, write
from harness.errors import FinwaitError
from harness.plugin.lacking import remedies
from harness.plugin.mistakes import shown_path
from harness.tcp.verdict import Outcome
from harness.trace.result_kind import ResultKind
from harness.trace.runs import load

MISTAKE = 2
"""The exit status where the user, a scenario or the machine is at fault."""
_SHORT = {
    ResultKind.UNEXPECTED: "unexpected",
    ResultKind.DEFECT: "by a known defect",
    ResultKind.SURPRISE: "conforming unexpectedly",
    ResultKind.LOST: "lost",
}


class RunEnd:
    """Counts what comes of a run.

    Args:
        config: pytest's.
        folder: the run folder.
        judged_by: what decides.
    """

    def __init__(self, config: pytest.Config, folder: Path, judged_by: str) -> None:
        self._config = config
        self._path = folder
        self._folder = shown_path(folder, config.invocation_params.dir)
        self._judged_by = judged_by
        self._kinds = dict.fromkeys(ResultKind, 0)
        self._failed = self._excused = self._lost_to_load = 0
        self._misused = self._folds = False

    def status(self, session: pytest.Session) -> int | pytest.ExitCode:
        """The exit status: pytest's, with --fail-on; 2 when something other than the kernel was at fault."""
        if self._misused:
            return MISTAKE
        status = session.exitstatus
        if status == pytest.ExitCode.TESTS_FAILED and session.testsfailed <= self._excused:
            status = pytest.ExitCode.OK
        if status == pytest.ExitCode.OK and self._unsupported:
            status = pytest.ExitCode.TESTS_FAILED
        return status

    @property
    def _unsupported(self) -> int:
        """How many scenarios fail for being unsupported."""
        fails = Outcome.UNSUPPORTED in self._config.option.fail_on
        return self._kinds[ResultKind.UNSUPPORTED] if fails else 0

    # -- hooks

    def pytest_sessionstart(self) -> None:
        """Hundreds of known deviations are told by their reasons, unless each is asked for."""
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        asked = set("Ax") & set(self._config.option.reportchars)
        if reporter and "x" in reporter.reportchars and not asked:
            reporter.reportchars = reporter.reportchars.replace("x", "")
            self._folds = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count a result as soon as it is there."""
        if not hasattr(report, "finwait_kind"):
            return
        kind = ResultKind(report.finwait_kind)
        self._kinds[kind] += 1
        self._misused |= vars(report)["finwait_misuse"]
        self._lost_to_load += vars(report)["finwait_busy"]
        fail_on = self._config.option.fail_on
        counts = kind.outcome in fail_on or (fail_on and kind is ResultKind.SURPRISE)
        self._failed += report.failed
        self._excused += report.failed and not counts

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say what was lacking, what is known, how the kernel did, and where the evidence is."""
        if self._folds:
            self._list_reasons(terminalreporter)
        skipped = terminalreporter.stats.get("skipped", ())
        for line in remedies(str(report.longrepr[2]) for report in skipped if isinstance(report.longrepr, tuple)):
            terminalreporter.write_line(f"finwait: {line}")
        if not any(self._kinds.values()):
            return
        counts = {of: sum(count for kind, count in self._kinds.items() if kind.outcome is of) for of in Outcome}
        said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items() if count)
        if self._lost_to_load:  # what is lost stands last
            part = f" ({self._lost_to_load}: {{}})" if self._lost_to_load < counts[Outcome.LOST] else ": {}"
            said += part.format("the machine was too busy")
        terminalreporter.write_line(f"finwait: {said}; run folder {self._folder}")

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> Generator[None]:
        """Behind all that others have to say: whether the kernel is good, and by what."""
        yield
        reporter = self._config.pluginmanager.getplugin("terminalreporter")
        if not reporter or not any(self._kinds.values()):
            return
        verdict = self._verdict(session)
        try:
            self._tell_others(verdict, reporter.write_line)
        except FinwaitError as error:
            reporter.write_line(f"ERROR: {error}", red=True)
            session.exitstatus = MISTAKE
            verdict = self._verdict(session)
        reporter.write_line(f"finwait: {verdict}")

    # -- what is said

    def _tell_others(self, verdict: str, say: Callable[[str], object]) -> None:
        """What CI systems read."""
        option = self._config.option
        if not (option.ktap or option.kcidb or option.gitlab or on_github()):
            return
        run = load(self._path)
        write(run, to_ktap=option.ktap, to_kcidb=option.kcidb, build=option.kcidb_build or "", to_gitlab=option.gitlab)
        if on_github():
            tell_github(run, verdict, say)

    def _list_reasons(self, reporter: pytest.TerminalReporter) -> None:
        counts = Counter(report.wasxfail for report in reporter.stats.get("xfailed", ()))
        if not counts:
            return
        reporter.section("known deviations by reason (-rA lists each)")
        width = None if self._config.get_verbosity() > 0 else reporter._tw.fullwidth
        for reason, count in counts.most_common():
            line = f"{count:5}  {reason}"
            reporter.write_line(line if width is None or len(line) < width else f"{line[: width - 4]}...")

    def _verdict(self, session: pytest.Session) -> str:
        """Whether the kernel is good, by what that was judged, and what speaks against it, in a line."""
        if session.exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return f"no verdict, for the run ended with status {int(session.exitstatus)}"
        good = session.exitstatus == pytest.ExitCode.OK
        noted = [f"{self._kinds[one]} {text}" for one, text in _SHORT.items() if self._kinds[one]]
        if self._unsupported:
            noted.append(f"{self._unsupported} unsupported")
        if others := session.testsfailed - self._failed:
            noted.append("1 other test" if others == 1 else f"{others} other tests")
        known = self._kinds[ResultKind.KNOWN]
        deviates = f"all {known} deviations are known" if known > 1 else "its one deviation is known"
        noted = noted or [deviates if known else "nothing deviates"]
        option = "--fail-on" if self._config.option.fail_on else "--exit-zero"
        excused = f" ({self._excused} let pass by {option})" if self._excused else ""
        return f"{'green' if good else 'red'}, judged by {self._judged_by}: {', '.join(noted)}{excused}"
