"""Every command line in README.md and docs/ works as it stands: in a fresh clone, as root and as an ordinary user.

What stands for something of the reader's is filled in: RUN is the folder of a run, ``...`` the name of a matrix.
Commands that take minutes are run by ``make nightly`` alone.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import parse
from harness.run.jobs import backend_of
from harness.trace.runs import load
from netns.enter import in_user_namespace

CHECKOUT = Path(__file__).parents[2]
NOBODY = 65534
PAGES = ("README.md", *(f"docs/{path.name}" for path in sorted((CHECKOUT / "docs").glob("*.md"))))
PROGRAMS = r"(?:sudo )?(?:\.venv/bin/python -m (?:harness|pytest)|finwait|make)"
LINE = re.compile(rf"^    (?:\$ )?({PROGRAMS}(?: .*?)?)(?:  +#.*)?$")
SHORT = "-k 'fin_is_acknowledged or lost_data'"
"""What all scenarios are cut down to, by pytest's own variable for more arguments: the command line stays as it is."""
MINUTES = re.compile(
    r"^make (?!help|clean)|matrix(?!.*scenarios/incident)|kernels build|explore(?!.*--programs)"
    r"|import .*--reproduce|(harness|finwait) (mutate|patch)"
)
OF_CODE = re.compile(r"coverage --code|--line|patch .*--affected")
"""What needs a run on a kernel that counts its code."""
COUNTING = "uml-virtual:7.2,code-coverage"
SECONDS = 300


def commands() -> Iterator[tuple[str, str]]:
    """Page and command, each command once."""
    seen: set[str] = set()
    for page in PAGES:
        text = (CHECKOUT / page).read_text().replace("\\\n", " ")
        for line in text.splitlines():
            if (found := LINE.match(line)) and (command := " ".join(found[1].split())) not in seen:
                seen.add(command)
                yield page, command


ALL = list(commands())


def test_commands_are_found() -> None:
    assert {page for page, _ in ALL} >= {"README.md", "docs/incident.md", "docs/changes.md"}
    assert sum(page == "README.md" for page, _ in ALL) >= 8


@pytest.fixture(scope="session", params=["root", "user"])
def user(request: pytest.FixtureRequest) -> int | None:
    """Whom the commands run as: whoever runs the tests, or another user of the machine."""
    if request.param == "root":
        if os.geteuid() != 0 or in_user_namespace():
            pytest.skip("the tests do not run as root")
        return None
    if os.geteuid() == 0 and in_user_namespace():
        pytest.skip("root of a user namespace cannot become another user")
    return NOBODY if os.geteuid() == 0 else None


@pytest.fixture(scope="session")
def clone(user: int | None, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git tracks, in a folder with a space in its name, with the environment of these tests as its .venv."""
    if not shutil.which("git"):
        pytest.skip("git is not installed (Debian package: git)")
    above = tmp_path_factory.mktemp("fresh")
    for folder in (above, above.parent):
        folder.chmod(0o755)
    clone = above / "a clone"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=CHECKOUT, capture_output=True, check=True).stdout
    for name in filter(None, files.decode().split("\0")):
        if (CHECKOUT / name).is_file():
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(CHECKOUT / name, clone / name)
    if user is None:
        (clone / ".venv").symlink_to(sys.prefix)
    else:
        shutil.copytree(sys.prefix, clone / ".venv", symlinks=True)  # its own folder may be closed to the user
    programs = above / "bin"
    programs.mkdir()
    (programs / "finwait").write_text('#!/bin/sh\nexec .venv/bin/python -m harness "$@"\n')
    (programs / "finwait").chmod(0o755)
    if user is not None:
        subprocess.run(["chown", "-R", "-h", str(user), str(above)], check=True)
        if typed(".venv/bin/python -c 'import scapy'", clone, user).returncode:
            pytest.skip(f"user {user} may not run {os.path.realpath(sys.executable)}")
    return clone


def typed(command: str, clone: Path, user: int | None) -> subprocess.CompletedProcess[str]:
    """What becomes of a command line in the clone."""
    environment = {
        "HOME": str(clone.parent),
        "LANG": "C.UTF-8",
        "PATH": f"{clone.parent / 'bin'}:{os.environ['PATH']}",
        "PYTEST_ADDOPTS": SHORT,
        "XDG_CACHE_HOME": str(Cache.of_user().root.parent),
    }
    identity = {} if user is None else {"user": user, "group": user, "extra_groups": []}
    line = command.removeprefix("sudo ") if os.geteuid() == 0 else command
    try:
        return subprocess.run(  # type: ignore[call-overload, no-any-return]
            ["bash", "-c", line], cwd=clone, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=SECONDS, **identity,
        )  # fmt: skip
    except PermissionError:
        pytest.skip(f"user {user} may not read {sys.prefix} or {clone}")


@pytest.fixture(scope="session")
def runs(clone: Path, user: int | None) -> tuple[str, str]:
    """Two run folders of the clone, as a reader has them."""
    for name in ("before", "after"):
        made = typed(f".venv/bin/python -m harness run --run-name {name} scenarios/closing", clone, user)
        if "may not make namespaces" in made.stderr or "uid_map" in made.stderr:
            pytest.skip(made.stderr.strip())
        assert "run folder" in made.stdout, made.stdout + made.stderr
    return "reports/runs/before", "reports/runs/after"


@pytest.fixture(scope="session")
def counted(clone: Path, user: int | None) -> str:
    """A run folder of the clone, on a kernel that counts its code."""
    _need_kernels(f"--kernel {COUNTING}")
    folder = f"reports/runs/counted/{COUNTING.replace(':', '-')}"
    for line in (f"matrix --kernel {COUNTING} --run-name counted -k fin_is_acknowledged", f"coverage --code {folder}"):
        made = typed(f".venv/bin/python -m harness {line}", clone, user)
        assert made.returncode == 0, made.stdout + made.stderr
    return folder


def _need_kernels(command: str) -> None:
    for name in re.findall(r"--kernel (\S+)", command):
        try:
            missing = backend_of(parse(name), Cache.of_user()).available()
        except FinwaitError as error:
            missing = str(error)
        if missing:
            pytest.skip(missing)


@pytest.mark.parametrize(("page", "command"), ALL, ids=[f"{page}: {command}" for page, command in ALL])
def test_command_does_what_it_says(
    page: str, command: str, clone: Path, runs: tuple[str, str], user: int | None, request: pytest.FixtureRequest
) -> None:
    if command.startswith("sudo ") and (user is not None or os.geteuid() != 0):
        pytest.skip("sudo asks for a password")
    if MINUTES.search(command) and "FINWAIT_NIGHTLY" not in os.environ:
        pytest.skip("it takes minutes: make nightly")
    _need_kernels(command)
    if "test_mine.py" in command:
        _put_the_recipe(clone, page, user)
    filled = re.sub(r"reports/runs/\S*\.\.\.\S*", lambda _: next(ends), command) if (ends := iter(runs)) else command
    filled = filled.replace("RUN_A", runs[0]).replace("RUN_B", runs[1]).replace("RUN...", runs[0])
    one = request.getfixturevalue("counted") if OF_CODE.search(command) else runs[0]
    filled = re.sub(r"\bRUN\b", one, filled)
    filled = filled.replace("-k NAME", f"-k '{next(iter(load(clone / runs[0]).results))}'")
    ran = typed(filled, clone, user)
    said = ran.stdout + ran.stderr
    assert "Traceback" not in said, said
    assert ran.returncode in (0, 1), said  # 1: the kernel deviates, or the machine lacks what the doctor looks for


def _put_the_recipe(clone: Path, page: str, user: int | None) -> None:
    """Write the page's scenario into the file that the page names."""
    text = (CHECKOUT / page).read_text()
    code = next(block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if "def test_" in block)
    file = clone / next(iter(re.findall(r"Put this into `(\S+?)`", text)))
    file.write_text(code)
    if user is not None:
        os.chown(file, user, user)


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_links_to_is_there(page: str) -> None:
    text = (CHECKOUT / page).read_text()
    links = {link for link in re.findall(r"\]\(([^)#]+)[^)]*\)", text) if "://" not in link}
    assert [link for link in sorted(links) if not (CHECKOUT / page).parent.joinpath(link).exists()] == []
    here = {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.*)$", text, re.M)}
    assert set(re.findall(r"\]\(#([^)]+)\)", text)) <= here
