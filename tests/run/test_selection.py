"""What of a command line names scenarios: pytest's own parser says."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.run.selection import select

CHECKOUT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "given", [["--durations", "5"], ["--maxfail", "1", "-k", "scenarios"], ["--durations-min", "5", "--tb=no"]]
)
def test_value_of_any_option_is_no_path(given: list[str]) -> None:
    arguments = select(given, CHECKOUT).arguments
    assert arguments[-len(given) :] == tuple(given)
    assert str(CHECKOUT / "scenarios") in arguments


def test_option_of_a_plugin_that_is_asked_for_takes_its_value(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "slow_plugin.py").write_text("def pytest_addoption(parser):\n    parser.addoption('--timeout')\n")
    monkeypatch.syspath_prepend(tmp_path)
    given = ("-p", "slow_plugin", "--timeout", "5")
    arguments = select(given, CHECKOUT).arguments
    assert str(CHECKOUT / "scenarios") in arguments
    assert arguments[-4:] == given


def test_value_that_is_a_path_too_stays_what_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "closing").mkdir()
    monkeypatch.chdir(tmp_path)
    selection = select(["-k", "closing", "closing"], CHECKOUT)
    assert selection.arguments[-3:] == ("-k", "closing", str(tmp_path / "closing"))
    assert selection.outside == (tmp_path / "closing",)


def test_file_that_an_option_names_counts_from_the_user_s_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "known.toml").touch()
    monkeypatch.chdir(tmp_path)
    selection = select(["--baseline", "known.toml"], CHECKOUT)
    assert selection.arguments[-1] == f"--baseline={tmp_path / 'known.toml'}"
    assert selection.outside == (tmp_path / "known.toml",)


def test_what_has_nothing_in_common_has_not_the_whole_machine_as_its_root() -> None:
    selection = select(["/etc", "/usr"], CHECKOUT)
    assert f"--rootdir={CHECKOUT}" in selection.arguments
    assert selection.outside == (Path("/etc"), Path("/usr"))


def test_what_pytest_does_not_take_is_one_line_of_its_own() -> None:
    with pytest.raises(FinwaitError, match=r"^argument -k: expected one argument; try: "):
        select(["-k"], CHECKOUT)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Scenarios in a folder of their own, with a conftest.py two folders above that they use as well."""
    tests = tmp_path / "project" / "tests" / "tcp"
    tests.mkdir(parents=True)
    for path in (tests / "test_mine.py", tests / "helper.py", tmp_path / "project" / "conftest.py"):
        path.touch()
    return tmp_path / "project"


def test_folder_of_a_scenario_travels_and_so_does_each_with_a_conftest(project: Path) -> None:
    chosen = select([str(project / "tests" / "tcp" / "test_mine.py")], CHECKOUT)
    assert chosen.outside == (project / "tests" / "tcp", project)
    assert f"--rootdir={project / 'tests' / 'tcp'}" in chosen.arguments


def test_of_a_folder_that_all_users_share_only_python_files_travel(project: Path) -> None:
    tests = project / "tests" / "tcp"
    (tests / "another-users").mkdir()
    tests.chmod(0o1777)
    chosen = select([str(tests / "test_mine.py")], CHECKOUT)
    assert chosen.outside == (tests / "helper.py", tests / "test_mine.py", project)


def test_files_that_scripts_name_travel_with_them(tmp_path: Path) -> None:
    scripts, common = tmp_path / "tcp" / "close", tmp_path / "tcp" / "common"
    for folder in (scripts, common):
        folder.mkdir(parents=True)
    (scripts / "close.pkt").write_text("`../common/defaults.sh\n ./beside.sh; ../common/not_there.sh`\n")
    (scripts / "beside.sh").touch()
    (common / "defaults.sh").write_text("../common/more.sh\n")
    (common / "more.sh").touch()
    (common / "unneeded.sh").touch()
    chosen = select([str(scripts)], CHECKOUT)
    assert set(chosen.outside) == {scripts, common / "defaults.sh", common / "more.sh"}
    alone = select([str(scripts / "close.pkt")], CHECKOUT)
    assert set(alone.outside) == {scripts, scripts / "beside.sh", common / "defaults.sh", common / "more.sh"}
