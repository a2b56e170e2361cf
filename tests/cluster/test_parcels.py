"""Files that travel: named by their content alone, and whole where they arrive."""

from __future__ import annotations

import io
import os
import tarfile
from pathlib import Path

import pytest

from harness.cluster.parcels import Parcel, checkout_files, unpack
from harness.errors import FinwaitError


def tree(folder: Path, *, text: str = "one", at: float = 1.0) -> Path:
    (folder / "deep").mkdir(parents=True)
    (folder / "deep/script").write_text(text)
    (folder / "deep/script").chmod(0o755)
    (folder / "link").symlink_to("deep/script")
    os.utime(folder / "deep/script", (at, at))
    return folder


def parcel(folder: Path) -> Parcel:
    return Parcel("", folder, tuple(sorted(folder.iterdir())))


def test_same_files_have_the_same_key_and_the_same_content_wherever_and_whenever(tmp_path: Path) -> None:
    one, other = parcel(tree(tmp_path / "a")), parcel(tree(tmp_path / "b", at=2000.0))
    assert (one.key, one.content) == (other.key, other.content)


def test_other_files_have_another_key(tmp_path: Path) -> None:
    keys = {parcel(tree(tmp_path / text, text=text)).key for text in ("one", "two")}
    (tmp_path / "one/deep/script").rename(tmp_path / "one/deep/name")
    assert len({*keys, parcel(tmp_path / "one").key}) == 3


def test_what_is_packed_arrives_as_it_was(tmp_path: Path) -> None:
    unpack(parcel(tree(tmp_path / "a")).content, tmp_path / "b")
    assert (tmp_path / "b/deep/script").read_text() == "one"
    assert os.access(tmp_path / "b/deep/script", os.X_OK)
    assert (tmp_path / "b/link").readlink() == Path("deep/script")


def test_checkout_travels_without_what_is_made_in_it(tmp_path: Path) -> None:
    for name in ("harness/a.py", "harness/__pycache__/a.pyc", ".git/HEAD", "reports/runs/one/run.json", ".venv/bin/x"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert [str(path.relative_to(tmp_path)) for path in checkout_files(tmp_path)] == ["harness/a.py"]


@pytest.mark.parametrize("names", [("../a",), ("/a",), ("deep/../../a",), ("link", "link/a")])
def test_nothing_is_put_elsewhere(tmp_path: Path, names: tuple[str, ...]) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as archive:
        for name in names:
            member = tarfile.TarInfo(name)
            if name == "link":
                member.type, member.linkname = tarfile.SYMTYPE, str(tmp_path)
            archive.addfile(member)
    (tmp_path / "place").mkdir()
    with pytest.raises(FinwaitError, match=r"a was packed to lie outside of .*place"):
        unpack(made.getvalue(), tmp_path / "place")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["place"]
