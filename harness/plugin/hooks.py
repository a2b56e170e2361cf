"""What pytest gets from finwait: options, fixtures and hooks, and nothing else.

The process that runs scenarios (pytest itself, or each worker of xdist) calibrates and records; the process that the
user started makes the run folder and, without root, enters a user namespace before any worker starts.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from harness.errors import FinwaitError, TooBusy, Unsupported
from harness.live import calibration
from harness.live.base_session import BaseSession
from harness.model import requirements
from harness.model.requirements import objections
from harness.mutation.runner import MutationRunner, read_plan
from harness.plugin import preconditions
from harness.plugin.addresses import clean
from harness.plugin.code_counting import CodeCounting
from harness.plugin.ends import pytest_testnodedown as pytest_testnodedown  # noqa: PLC0414  (a hook)
from harness.plugin.ends import recording, refuse
from harness.plugin.expecting import pytest_pyfunc_call as pytest_pyfunc_call  # noqa: PLC0414  (a hook)
from harness.plugin.items import MUTATIONS, SCENARIO, is_scenario, scenario_of
from harness.plugin.known_deviations import known_of
from harness.plugin.mistakes import pytest_make_collect_report as pytest_make_collect_report  # noqa: PLC0414  (a hook)
from harness.plugin.mistakes import shown_path
from harness.plugin.options import pytest_addoption as pytest_addoption  # noqa: PLC0414  (a hook)
from harness.plugin.options import share_of
from harness.plugin.recorder import RECORDER, Recordable, Scenario, ScenarioRecorder, is_misuse
from harness.plugin.run_end import RunEnd
from harness.plugin.scripts import ScriptItem, line_of
from harness.plugin.scripts import pytest_collect_file as pytest_collect_file  # noqa: PLC0414  (a hook)
from harness.probes.tracepoints import Tracer
from harness.tcp.mutation import MutationChoice
from harness.tcp.timing import TimingProfile
from harness.tcp.verdict import Mismatch, Outcome
from harness.trace.folder import RUN, RunFolder, Unwritable, default_parent
from harness.trace.owner import hand_back_caches_at_the_end
from harness.trace.records import Result, RunRecord
from harness.trace.result_kind import ResultKind, kind_of
from harness.trace.runs import load, plan_no_more
from netns import privilege
from netns.conditions import Settings

# for scenarios in a folder of their own, which have no conftest of ours
pytest_plugins = [
    "harness.plugin.fixtures",
    "harness.plugin.state_fixtures",
    "harness.plugin.cells",
    "harness.plugin.beside",
]

RUNNER = pytest.StashKey["Runner"]()
_WORDS = {
    Outcome.CONFORMS: ("passed", ".", "CONFORMS"),
    Outcome.DEVIATES: ("failed", "F", "DEVIATES"),
    Outcome.UNSUPPORTED: ("skipped", "s", "UNSUPPORTED"),
    Outcome.LOST: ("error", "E", "LOST"),
}


def pytest_configure(config: pytest.Config) -> None:
    """Get the right to make namespaces, and a run folder."""
    config.addinivalue_line("markers", "requirement(*ids, fixed_by='', reason=''): the clauses a scenario checks")
    config.addinivalue_line("markers", "report(*sources): the public reports that a scenario rests on")
    config.addinivalue_line("markers", "waits(*spans): how long a scenario waits for timers in total")
    config.addinivalue_line("markers", "scenario: its result is recorded, though the test opens no session")
    if os.environ.get("SUDO_UID"):
        sys.dont_write_bytecode = True  # beside a scenario outside of the checkout it would stay root's
        # there pytest keeps a cache as well, in a folder that may be large
        hand_back_caches_at_the_end(config.rootpath, config.rootpath / config.getini("cache_dir"))
    if config.option.help or config.option.collectonly:
        return
    try:
        if not hasattr(config, "workerinput"):
            privilege.ensure()
        config.stash[RUNNER] = runner = Runner(config)
    except FinwaitError as error:
        raise pytest.UsageError(str(error)) from error
    config.pluginmanager.register(runner, "finwait-runner")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Every requirement that a scenario cites has to exist."""
    cited = (
        (item.nodeid, str(one)) for item in items for mark in item.iter_markers("requirement") for one in mark.args
    )
    refuse(config, items, objections(cited, requirements.load()))


class Runner:
    """The hooks of one pytest process, and what they share."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.worker: str = getattr(config, "workerinput", {}).get("workerid", "")
        self._profile: TimingProfile | None = None
        self._planned: tuple[str, ...] = ()
        self._described = False
        option = config.option
        self.settings = Settings.DEFAULTS if option.defaults else Settings.HELD
        after = load(option.mutate_after).results if option.mutate_after else {}
        last = {name: result.received for name, result in after.items()}
        self.mutations: MutationChoice | MutationRunner = MutationChoice(option.mutate_answer, last)
        if option.mutations:
            self.mutations = MutationRunner(read_plan(option.mutations), self.begin)
            config.pluginmanager.register(self.mutations, "finwait-mutations")
        config.stash[MUTATIONS] = self.mutations
        self.known_deviations = known_of(config)
        self._tracer: Tracer | None = None
        # last, so that a wrong option leaves none behind
        if self.worker:
            self.folder = RunFolder(Path(config.workerinput["finwait_folder"]))  # type: ignore[attr-defined]
        else:
            self.folder = RunFolder.create(option.run_dir or default_parent(), name=option.run_name)
        self.end = None if self.worker else RunEnd(config, self.folder.path, self.known_deviations.judged_by)
        if self.end:
            config.pluginmanager.register(self.end, "finwait-end")
        if not self.worker and not option.mutations and (counting := CodeCounting.where_counted(self.folder)):
            config.pluginmanager.register(counting, "finwait-code")
        self.recorder = ScenarioRecorder(self.folder, config.rootpath, option.captures, self.opened)
        config.stash[RECORDER] = self.recorder

    @property
    def profile(self) -> TimingProfile:
        """The tolerances; calibrated when first asked for."""
        if self._profile is None:
            virtual = self.config.option.timing == "virtual"
            self._profile = calibration.virtual() if virtual else calibration.calibrate()
            if self.config.option.mutations:
                self._profile = self._profile.impatient()
        return self._profile

    @property
    def tracer(self) -> Tracer:
        """The process's tracepoints; opened when first asked for."""
        if self._tracer is None:
            self._tracer = Tracer().__enter__()
        return self._tracer

    def _record(self, session: Recordable | None) -> RunRecord:
        """The run; its kernel is known as far as it is without a lab, or by the first one."""
        return RunRecord(
            id=self.folder.path.name,
            started=preconditions.now(),
            kernel=preconditions.kernel(),
            kernel_name=self.config.option.kernel_name,
            machine=preconditions.machine(),
            versions=preconditions.versions(),
            preconditions=preconditions.gather(session.namespace) if session else {},
            missing=session.missing if session else {},
            conditions=preconditions.pinned(session, self.settings) if isinstance(session, BaseSession) else (),
            timing=self.profile if session else TimingProfile(),
            planned=self._planned,
            arguments=tuple(map(str, self.config.invocation_params.args)),
        )

    def opened(self, session: Recordable) -> None:
        """A scenario has its lab; the first of all workers' describes the run."""
        if not self._described:
            self._described = True
            self.folder.describe_by_lab(lambda: self._record(session))

    def begin(self, item: pytest.Item, suffix: str = "") -> Scenario:
        """A new scenario of an item, whose id has the suffix behind its own."""
        item.stash[SCENARIO] = scenario = item.scenario() if isinstance(item, ScriptItem) else scenario_of(item)
        scenario.id += suffix
        told = [("requirement", one) for one in scenario.requirements] + [("report", one) for one in scenario.reports]
        item.user_properties += [one for one in told if one not in item.user_properties]  # JUnit's properties
        return scenario

    def scenario(self, item: pytest.Item) -> Scenario:
        """The scenario of an item; one that asks for a session by ``getfixturevalue`` alone begins here."""
        return item.stash.get(SCENARIO, None) or self.begin(item)

    # -- hooks

    @pytest.hookimpl(optionalhook=True)
    def pytest_configure_node(self, node: object) -> None:
        """Tell a worker of xdist where to write."""
        node.workerinput["finwait_folder"] = str(self.folder.path)  # type: ignore[attr-defined]

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Note which scenarios are to run, at whichever boot: one that never reports is lost."""
        items[:] = share_of(items, self.config.option.part)
        self._planned = tuple(self.begin(item).id for item in items if is_scenario(item))
        option = self.config.option
        rest = [item for item in items if not (is_scenario(item) and item.stash[SCENARIO].id in option.done)]
        items[:] = share_of(rest, option.share, lambda item: option.costs.get(item.nodeid, 1.0))
        if self._planned and self.worker in ("", "gw0"):
            with recording(self.config):
                self.folder.write_run(self._record(None))

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item: pytest.Item, call: pytest.CallInfo[None]) -> Iterator[None]:
        """Judge and record, while the lab is still there."""
        scenario = item.stash.get(SCENARIO, None)
        error = call.excinfo.value if call.excinfo else None
        result = None
        with recording(self.config):
            if isinstance(error, Unwritable):
                raise error
            if scenario is None and isinstance(error, pytest.FixtureLookupError):
                scenario = self.begin(item)  # whose fixture, misspelt, might have been a session
                if not (self.folder.path / RUN).exists():  # none was planned
                    self.folder.write_run(self._record(None))
            if scenario and (error or call.when == "call"):
                result = self.recorder.ended(scenario, error, call.duration)
        said = isinstance(error, Mismatch | FinwaitError) or is_misuse(error, self.config.rootpath)
        vars(item).pop("repr_failure", None)
        if result and said:
            # pytest need not look for the source, which takes it longer than the scenario
            vars(item)["repr_failure"] = lambda *_: result.message
        report: pytest.TestReport = yield  # type: ignore[assignment]
        if result:
            self._say(item, report, error, result)
        if scenario and call.when == "teardown":
            scenario.sessions.clear()  # their frames and timelines are recorded; pytest keeps the item to the end
        return report  # type: ignore[return-value]

    def _say(self, item: pytest.Item, report: pytest.TestReport, error: BaseException | None, result: Result) -> None:
        busy = isinstance(error, TooBusy | Mismatch) and result.outcome == Outcome.LOST
        misuse = busy or is_misuse(error, self.config.rootpath)
        if isinstance(error, Unsupported):
            # pytest knows only its own exception as a skip
            report.outcome = "skipped"
            line = line_of(error) if isinstance(item, ScriptItem) else (item.location[1] or 0) + 1
            report.longrepr = (str(item.path), line, result.message)
        elif report.outcome == "failed" and (result.outcome == Outcome.DEVIATES or misuse):
            report.longrepr = self._text(result)
        clean(report.longrepr)
        if reason := self.known_deviations.known_reason(result):
            report.outcome = "skipped"
            report.wasxfail = reason
            result = msgspec.structs.replace(result, known=True, reason=reason)
        elif reason := self.known_deviations.why_it_fails(result):
            conforms = result.outcome == Outcome.CONFORMS
            report.outcome = "failed"
            report.longrepr = reason if conforms else f"{report.longrepr}\nknown     {reason}"
            result = msgspec.structs.replace(result, reason=reason)
        told = {"outcome": result.outcome, "known": result.reason, "capture": self._capture(result)}
        item.user_properties += [(name, text) for name, text in told.items() if text]
        vars(report).update(finwait=msgspec.json.encode(result).decode(), finwait_kind=str(kind_of(result)))
        vars(report).update(finwait_misuse=misuse, finwait_busy=busy)

    def _text(self, result: Result) -> str:
        """What a failure says here: the run folder keeps the capture's path from itself on."""
        if result.evidence is None or not result.capture:
            return result.message
        return str(msgspec.structs.replace(result.evidence, capture=self._capture(result)))

    def _capture(self, result: Result) -> str:
        """The file as the user would write it; empty for none."""
        if not result.capture:
            return ""
        return str(shown_path(self.folder.path / result.capture, self.config.invocation_params.dir))

    @pytest.hookimpl(tryfirst=True)
    def pytest_report_teststatus(self, report: pytest.TestReport) -> tuple[str, str, str] | None:
        """The four outcomes in pytest's words."""
        kind = getattr(report, "finwait_kind", None)
        if kind is None or hasattr(report, "wasxfail") or kind == ResultKind.SURPRISE:
            return None  # pytest's own words for what is known: xfailed, failed
        return _WORDS[ResultKind(kind).outcome]

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Keep a result as soon as it is there; the process that the user started does it for all workers."""
        if self.worker:
            return
        # pytest keeps every report to the end, and thousands of failures would fill a guest's memory
        text = vars(report).pop("finwait", None)
        if self.config.option.tbstyle == "no" and isinstance(report.longrepr, str):
            report.longrepr = report.longrepr.partition("\n")[0]
        if text is None:
            return
        with recording(self.config):
            self.folder.append_result(text)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """The exit status; no empty run folder."""
        if self._tracer is not None:
            self._tracer.__exit__(None, None, None)
        if self.end is None:
            return
        if session.exitstatus == pytest.ExitCode.NO_TESTS_COLLECTED and self._planned:
            session.exitstatus = pytest.ExitCode.OK  # other shares have them all, or have had them
        session.exitstatus = self.end.status(session)
        if not (self.folder.path / RUN).exists():
            shutil.rmtree(self.folder.path)
        elif (most := self.config.option.maxfail) and session.testsfailed >= most:
            plan_no_more(self.folder)
