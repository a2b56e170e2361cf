"""Names of kernels and what they stand for."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.kernels.supply.cache import Cache
from harness.kernels.supply.spec import KernelKind, known, parse


def test_every_known_name_parses_to_itself() -> None:
    assert [parse(spec.name) for spec in known()] == list(known())


def test_names_that_are_promised() -> None:
    names = {spec.name for spec in known()}
    for series in ("5.10", "6.1", "6.12", "7.2"):
        assert {f"uml:{series}", f"uml-virtual:{series}", f"debian:{series}"} <= names
    assert "host" in names


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("debian:5.10", "linux-image-5.10.0-46-cloud-amd64"),
        ("debian:6.1", "linux-image-6.1.0-56-cloud-amd64"),
        ("debian:6.12", "linux-image-6.12.117+deb13-cloud-amd64"),
        ("debian:6.12", "linux-image-6.12.90+deb13.1-cloud-amd64"),
        ("debian:7.2", "linux-binary-7.2.13+deb14-cloud-amd64"),
        ("debian:7.3", "linux-binary-7.3-cloud-amd64"),
        ("uml-virtual:6.12", "linux-source-6.12"),
        ("uml:6.1", "user-mode-linux"),
    ],
)
def test_packages_as_debian_names_them(name: str, package: str) -> None:
    assert re.fullmatch(parse(name).packages[0], package)


@pytest.mark.parametrize(
    ("name", "package"),
    [
        ("debian:5.10", "linux-image-5.10.0-46-cloud-amd64-unsigned"),
        ("debian:6.1", "linux-image-6.12.117+deb13-cloud-amd64"),
        ("debian:6.1", "linux-image-6.1-amd64"),
        ("uml-virtual:6.1", "linux-source-6.12"),
        ("uml-virtual:6.1", "linux-source-601"),
    ],
)
def test_packages_that_are_another_kernels(name: str, package: str) -> None:
    assert not re.fullmatch(parse(name).packages[0], package)


def test_every_kernel_that_is_fetched_says_how_much() -> None:
    assert [spec.name for spec in known() if spec.kind is not KernelKind.HOST and spec.megabytes < 10] == []


def test_own_kernel_can_be_given_a_name(tmp_path: Path) -> None:
    image = tmp_path / "a folder with a long name" / "linux"
    image.parent.mkdir()
    head = bytearray(b"\x7fELF\x02\x01\x01".ljust(4096, b"\0"))
    head[18:20] = b"\x3e\0" if os.uname().machine == "x86_64" else b"\xb7\0"
    image.write_bytes(bytes(head) + b"\0Linux version 6.9.0-mine (me@here) x\0User Mode Linux v%s\0")
    named, unnamed = parse(f"mine={image}"), parse(str(image))
    assert (named.name, named.path, named.series) == ("mine", image, "6.9")
    assert replace(named, name=str(image)) == unnamed
    with pytest.raises(FinwaitError, match=r"cannot read .*mi/ne="):
        parse(f"mi/ne={image}")  # a slash belongs to a path, so all of it is one


def test_a_kernel_that_counts_is_another_build_of_the_same_source() -> None:
    plain, counting = parse("uml-virtual:7.2"), parse("uml-virtual:7.2,code-coverage")
    assert (counting.name, counting.counts) == ("uml-virtual:7.2,code-coverage", True)
    assert counting.fetched_as == plain.fetched_as == plain.name
    assert counting.packages == plain.packages


@pytest.mark.parametrize("name", ["uml:6.1,code-coverage", "host,code-coverage", "uml-virtual:7.2,coverage"])
def test_what_is_not_built_does_not_count(name: str) -> None:
    with pytest.raises(FinwaitError, match="there is no kernel"):
        parse(name)


def test_unknown_name_lists_the_nearest() -> None:
    with pytest.raises(FinwaitError) as caught:
        parse("uml:5.1")
    assert caught.value.what == "there is no kernel 'uml:5.1'"
    assert "uml:5.10" in caught.value.hint


@given(st.text().filter(lambda name: "/" not in name and name not in {spec.name for spec in known()}))
def test_any_other_text_is_a_plain_error(name: str) -> None:
    with pytest.raises(FinwaitError, match="there is no kernel"):
        parse(name)


def test_file_in_this_folder_needs_a_slash(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bzImage").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FinwaitError, match=re.escape("or ./bzImage for the file")):
        parse("bzImage")


def uml_binary(folder: Path) -> Path:
    file = folder / "linux"
    head = b"\x7fELF\x02\x01\x01".ljust(18, b"\0") + b"\x3e\0"
    file.write_bytes(head.ljust(4096, b"\0") + b"\0Linux version 6.5.1 (a@b)\0User Mode Linux\0")
    return file


@pytest.fixture
def _on_x86_64(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.uname", lambda: type("Name", (), {"machine": "x86_64"}))


@pytest.mark.usefixtures("_on_x86_64")
def test_own_binary_with_modules_beside_it(tmp_path: Path) -> None:
    (tmp_path / "modules/6.5.1").mkdir(parents=True)
    spec = parse(str(uml_binary(tmp_path)))
    assert (spec.kind, spec.series, spec.modules) == (KernelKind.UML, "6.5", tmp_path / "modules/6.5.1")


@pytest.mark.usefixtures("_on_x86_64")
def test_own_binary_without_modules(tmp_path: Path) -> None:
    assert parse(str(uml_binary(tmp_path))).modules is None


@pytest.mark.usefixtures("_on_x86_64")
def test_own_binary_with_named_modules(tmp_path: Path) -> None:
    (tmp_path / "elsewhere/6.5.1").mkdir(parents=True)
    binary = uml_binary(tmp_path)
    assert parse(f"{binary},modules={tmp_path}/elsewhere").modules == tmp_path / "elsewhere/6.5.1"
    assert parse(f"{binary},modules={tmp_path}/elsewhere/6.5.1").modules == tmp_path / "elsewhere/6.5.1"
    with pytest.raises(FinwaitError, match="there is no folder"):
        parse(f"{binary},modules={tmp_path}/nowhere")


def test_own_binary_with_virtual_time_is_run_in_it(tmp_path: Path) -> None:
    virtual = next(iter(Cache.of_user().root.glob("kernel/*/content/linux")), None)
    if virtual is None:
        pytest.skip("no kernel with virtual time in the cache; finwait kernels build uml-virtual:7.2")
    binary = tmp_path / "of my own"
    binary.symlink_to(virtual)
    assert parse(str(binary)).kind is KernelKind.UML_VIRTUAL
