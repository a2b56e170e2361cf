"""What a run leaves behind, also when it is killed while it writes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent

import msgspec
import pytest

from harness.errors import FinwaitError
from harness.trace.folder import RunFolder, file_name, write_whole
from harness.trace.records import Result, RunRecord, TimelineRecord
from tests.conftest import run_record

CHECKOUT = Path(__file__).parents[2]
RECORD = run_record(planned=("a", "b"))


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder.create(tmp_path / "a parent that is not there yet" / "runs", name="run")


def results(folder: RunFolder) -> list[Result]:
    return [
        msgspec.json.decode(line, type=Result) for line in (folder.path / "results.jsonl").read_bytes().splitlines()
    ]


def test_time_between_timelines_is_told_by_the_clock_of_their_file(folder: RunFolder) -> None:
    folder.write_timeline(TimelineRecord(scenario="a", events=()))
    assert folder.host_seconds == 0.0
    time.sleep(0.02)  # what is measured, to a tick of the kernel
    folder.write_timeline(TimelineRecord(scenario="b", events=()))
    assert folder.host_seconds >= 0.01


def test_records_can_be_read_back(folder: RunFolder) -> None:
    folder.write_run(RECORD)
    timeline = TimelineRecord(scenario="a", events=())
    name = folder.write_timeline(timeline)
    capture = folder.write_capture("a", b"frames")
    folder.append_result(Result(scenario="a", outcome="conforms", timeline=name, capture=capture))
    folder.append_result(Result(scenario="b", outcome="lost"))

    assert msgspec.json.decode((folder.path / "run.json").read_bytes(), type=RunRecord) == RECORD
    first, second = results(folder)
    assert (first.scenario, second.scenario) == ("a", "b")
    path, _, start = first.timeline.partition(":")
    line = (folder.path / path).read_bytes()[int(start) :].splitlines()[0]
    assert msgspec.json.decode(line, type=TimelineRecord) == timeline
    assert (folder.path / first.capture).read_bytes() == b"frames"


def test_renewed_record_takes_the_place_of_the_old_one_and_leaves_nothing_beside_it(folder: RunFolder) -> None:
    folder.write_run(RECORD)
    folder.write_run(msgspec.structs.replace(RECORD, kernel="7.2"))
    assert msgspec.json.decode((folder.path / "run.json").read_bytes(), type=RunRecord).kernel == "7.2"
    assert sorted(path.name for path in folder.path.iterdir()) == ["captures", "run.json", "timelines"]


def test_name_that_is_taken_is_told(folder: RunFolder) -> None:
    with pytest.raises(FinwaitError, match=r"there is a run folder .* already; try: another --run-name"):
        RunFolder.create(folder.path.parent, name="run")


def test_parent_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FinwaitError, match=r"cannot be made \(Not a directory\); .*--run-dir"):
        RunFolder.create(tmp_path / "file", name="run")


def test_runs_of_the_same_second_have_names_of_their_own(tmp_path: Path) -> None:
    made = f"RunFolder.create(Path({str(tmp_path)!r}))"
    code = f"from pathlib import Path; from harness.trace.folder import RunFolder; {made}"
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    started = [subprocess.Popen([sys.executable, "-c", code], env=environment) for _ in range(3)]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize(
    "scenario",
    ["scenarios/closing/test_a.py::test_x[TS-IPv4/é \n-'\"]", "test_b.py::test_" + "long" * 99, "..", "::", ""],
)
def test_every_scenario_has_a_plain_file_name(scenario: str) -> None:
    name = file_name(scenario)
    assert len(name) < 100
    assert Path(name).name == name
    assert name.isascii()
    assert not any(character.isspace() for character in name)


def test_scenarios_that_differ_in_one_character_have_files_of_their_own() -> None:
    names = {file_name(f"a.py::test_x[{parameter}]") for parameter in ("a b", "a-b", "a_b", "A_b")}
    names |= {file_name("b.py::test_x[a b]"), file_name("a.py::test_" + "x" * 99), file_name("a.py::test_" + "x" * 98)}
    assert len(names) == 7


def test_lines_of_several_processes_never_mix(folder: RunFolder) -> None:
    code = dedent(f"""
        import sys
        from pathlib import Path
        from harness.trace.folder import RunFolder
        from harness.trace.records import Result
        folder = RunFolder(Path({str(folder.path)!r}))
        for number in range(200):
            folder.append_result(Result(scenario=f"{{sys.argv[1]}} {{number}}", outcome="lost", message="x" * 9000))
    """)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    started = [subprocess.Popen([sys.executable, "-c", code, name], env=environment) for name in "abc"]
    assert [process.wait() for process in started] == [0, 0, 0]
    assert sorted(result.scenario for result in results(folder)) == sorted(
        f"{name} {number}" for name in "abc" for number in range(200)
    )


def test_reader_never_sees_half_a_file_although_the_writer_is_killed(folder: RunFolder) -> None:
    code = dedent(f"""
        from pathlib import Path
        from harness.trace.folder import write_whole
        path = Path({str(folder.path / "run.json")!r})
        write_whole(path, b"a" * 3_000_000)
        print("written", flush=True)
        while True:
            write_whole(path, b"b" * 3_000_000)
            write_whole(path, b"a" * 3_000_000)
    """)
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    writer = subprocess.Popen([sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE)
    with writer:
        assert writer.stdout
        assert writer.stdout.readline() == b"written\n"
        seen = [(folder.path / "run.json").read_bytes() for _ in range(50)]
        writer.send_signal(signal.SIGKILL)
    seen.append((folder.path / "run.json").read_bytes())
    assert all(len(content) == 3_000_000 and len(set(content)) == 1 for content in seen)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files to somebody")
def test_under_sudo_everything_belongs_to_the_caller(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given: dict[Path, tuple[int, int]] = {}

    def chown(path: Path, user: int, group: int, *, follow_symlinks: bool) -> None:
        # asked and not done: in a user namespace there is nobody else to give a file to
        assert not follow_symlinks
        given[Path(path)] = (user, group)

    monkeypatch.setenv("SUDO_UID", "1234")
    monkeypatch.setenv("SUDO_GID", "1235")
    monkeypatch.setattr(os, "chown", chown)
    folder = RunFolder.create(tmp_path / "new" / "runs", name="run")
    write_whole(folder.path / "run.json", b"")
    folder.append_result(Result(scenario="a", outcome="lost"))

    everything = {tmp_path / "new", *(tmp_path / "new").rglob("*")}
    # a file is given away under the name it has until it is whole
    names = {path.with_name(path.name.removeprefix(".").removesuffix(f".{os.getpid()}")) for path in given}
    assert names == everything
    assert set(given.values()) == {(1234, 1235)}
