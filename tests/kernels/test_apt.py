"""Where packages come from: the system's apt, the user's file, what was asked for."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from harness.errors import FinwaitError
from harness.kernels.supply.apt import KEYRING, Apt, Source, configuration_file
from harness.kernels.supply.cache import Cache


@pytest.fixture
def configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's configuration file, which is not there yet."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    configuration_file().parent.mkdir()
    return configuration_file()


def answers(folder: Path, monkeypatch: pytest.MonkeyPatch, targets: str, settings: str = "") -> None:
    """Programs in place of this system's apt that print the given text."""
    for name, text in ("apt-get", targets), ("apt-config", settings):
        (folder / name).write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")


TARGETS = """http://third.party/repo/|stable|Somebody
http://first.mirror/debian/|bookworm|Debian
http://first.mirror/debian-security/|bookworm-security|Debian
http://second.mirror/debian/|bookworm-updates|Debian"""
SETTINGS = """Acquire::http::Proxy "http://proxy:1";
Acquire::http::Pipeline-Depth "";
Acquire::AllowInsecureRepositories "1";
Acquire::Check-Valid-Until "false";
Acquire::httpother "x";"""


def test_of_the_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(tmp_path, monkeypatch, TARGETS, SETTINGS)
    source = Source.of_system()
    assert (source.mirror, source.security) == (
        "http://first.mirror/debian/",
        "http://first.mirror/debian-security/",
    )
    assert source.settings == (
        'Acquire::http::Proxy "http://proxy:1";',
        'Acquire::Check-Valid-Until "false";',
    )
    assert not source.insecure
    assert source.uri("sid") == "http://first.mirror/debian/"
    assert source.uri("bookworm-security") == "http://first.mirror/debian-security/"


def test_system_of_another_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(tmp_path, monkeypatch, "http://third.party/repo/|stable|Somebody")
    with pytest.raises(FinwaitError, match="apt on this machine has no Debian mirror") as caught:
        Source.of_system()
    assert "source.toml" in caught.value.hint


def test_apt_that_does_not_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apt-get").write_text("#!/bin/sh\necho 'E: broken'\nexit 100\n")
    (tmp_path / "apt-get").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    with pytest.raises(FinwaitError, match="apt-get does not work here; E: broken"):
        Source.of_system()


def test_what_is_asked_for_goes_before_the_file(configuration: Path) -> None:
    configuration.write_text('mirror = "http://file/debian"\nsecurity = "http://file/s"\nkeyring = "/file.gpg"\n')
    stored = Source.configured()
    assert (stored.mirror, stored.security, stored.keyring) == (
        "http://file/debian",
        "http://file/s",
        Path("/file.gpg"),
    )
    asked = Source.configured(mirror="http://asked/debian", keyring=Path("/asked.gpg"), insecure=True)
    assert (asked.mirror, asked.keyring, asked.insecure) == ("http://asked/debian", Path("/asked.gpg"), True)


@pytest.mark.usefixtures("configuration")
def test_without_a_file_it_is_the_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(tmp_path, monkeypatch, TARGETS)
    assert Source.configured() == Source.of_system()
    assert Source.configured().keyring == KEYRING


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("mirror = ", "cannot read"),
        ("miror = 'x'", "cannot use 'miror'"),
        ("mirror = 5", "cannot use 'mirror'"),
        ("insecure = 'yes'", "cannot use 'insecure'"),
    ],
)
def test_file_with_a_mistake(configuration: Path, text: str, said: str) -> None:
    configuration.write_text(text)
    with pytest.raises(FinwaitError) as caught:
        Source.configured()
    assert said in str(caught.value)
    assert str(configuration) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("mirror", "suite"),
    [("http://m/debian", "a b"), ("http://m/x y", "sid"), ("http://m/debian", "sid main\ndeb")],
)
def test_what_would_not_fit_in_a_sources_list(tmp_path: Path, mirror: str, suite: str) -> None:
    with pytest.raises(FinwaitError, match="neither may contain a space"):
        Apt(Source(mirror), suite, Cache(tmp_path))


def test_keyring_that_apt_cannot_name(tmp_path: Path) -> None:
    ring = tmp_path / "my ring.gpg"
    ring.touch()
    with pytest.raises(FinwaitError, match="apt allows no blank"):
        Apt(Source("http://m/debian", keyring=ring), "sid", Cache(tmp_path)).run("apt-get", "update")


@pytest.mark.skipif(shutil.which("apt-config") is None, reason="needs apt-config")
def test_nothing_of_the_systems_configuration_is_left(tmp_path: Path) -> None:
    ring = tmp_path / "ring.gpg"
    ring.touch()
    apt = Apt(Source("http://m/debian", keyring=ring), "sid", Cache(tmp_path / "with a blank"))
    lines = apt.run("apt-config", "dump").lines
    assert f'Dir::State "{apt.folder}";' in lines
    assert f'Dir::Etc::parts "{apt.folder}/empty";' in lines
    assert not [line for line in lines if "Post-Invoke" in line]
    assert 'APT::Sandbox::User "";' in lines
