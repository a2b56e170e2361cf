"""A guest's files land below the output folder, whole, and nowhere else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.kernels.boot import stream
from harness.kernels.boot.qemu_init import Mirror
from harness.kernels.boot.receiver import Malformed, Receiver
from harness.kernels.boot.stream import record


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_files_folders_and_the_answer(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    receiver.feed(record(stream.BOOTED, content=b"6.1"))
    receiver.feed(record(stream.PUT, "a b/é".encode(), b"one") + record(stream.FOLDER, b"empty/er"))
    receiver.feed(record(stream.PUT, "a b/é".encode(), b"two") + record(stream.ANSWER, content=b"{}"))
    assert files(tmp_path) == {"a b/é": b"two"}
    assert (tmp_path / "empty" / "er").is_dir()
    assert (receiver.booted, receiver.answer) == (b"6.1", b"{}")


def test_file_that_is_cut_short_is_not_there(tmp_path: Path) -> None:
    receiver = Receiver(tmp_path)
    receiver.feed(record(stream.PUT, b"whole", b"x" * 1000) + record(stream.PUT, b"cut", b"y" * 1000)[:-1])
    assert files(tmp_path) == {"whole": b"x" * 1000}


def test_more_of_a_file_that_the_stream_did_not_bring_is_refused(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"1")
    with pytest.raises(Malformed, match="more of 'mine'"):
        Receiver(tmp_path).feed(record(stream.MORE, b"mine", b"2"))
    assert files(tmp_path) == {"mine": b"1"}


def test_file_of_lines_is_sent_by_what_it_grew_by_until_another_takes_its_place(tmp_path: Path) -> None:
    guest, host = tmp_path / "guest", tmp_path / "host"
    guest.mkdir()
    host.mkdir()
    read, write = os.pipe()
    mirror, receiver, sent = Mirror(str(guest), write), Receiver(host), []
    lines, other = guest / "lines.jsonl", guest / "other.json"

    def follow() -> None:
        mirror.follow()
        mirror.everything()
        sent.append(os.read(read, 1 << 16))
        receiver.feed(sent[-1])
        assert files(host) == files(guest)

    try:
        lines.write_bytes(b"one\n" * 100)
        other.write_bytes(b"one\n" * 100)
        follow()
        with lines.open("ab") as more:
            more.write(b"two\n")
        follow()
        assert len(sent[-1]) == len(record(stream.MORE, b"lines.jsonl", b"two\n"))
        other.write_bytes(b"two\n")
        other.replace(lines)
        follow()
        lines.write_bytes(b"3")  # shorter than before
        follow()
    finally:
        for descriptor in (read, write, mirror.notices.fd):
            os.close(descriptor)


@pytest.mark.parametrize(
    "path", [b"../out", b"..", b"a/..", b"/etc/x", b"a/../../out", b"", b".", b"a//b", b"a/.", b"a\0b"]
)
@pytest.mark.parametrize("kind", [stream.PUT, stream.MORE, stream.FOLDER, stream.DELETE])
def test_path_that_leads_out_is_refused(tmp_path: Path, kind: bytes, path: bytes) -> None:
    output = tmp_path / "output"
    output.mkdir()
    with pytest.raises(Malformed, match="the path"):
        Receiver(output).feed(record(kind, path, b"x"))
    assert list(output.iterdir()) == []
    assert [p.name for p in tmp_path.iterdir()] == ["output"]


def test_symbolic_link_in_the_output_folder_leads_nowhere(tmp_path: Path) -> None:
    output, elsewhere = tmp_path / "output", tmp_path / "elsewhere"
    output.mkdir()
    elsewhere.mkdir()
    (output / "link").symlink_to(elsewhere)
    with pytest.raises(Malformed, match="a symbolic link leads elsewhere"):
        Receiver(output).feed(record(stream.PUT, b"link/file", b"x"))
    assert list(elsewhere.iterdir()) == []


def test_link_in_the_place_of_a_file_is_replaced_and_not_followed(tmp_path: Path) -> None:
    output, precious = tmp_path / "output", tmp_path / "precious"
    output.mkdir()
    precious.write_bytes(b"mine")
    (output / "file").symlink_to(precious)
    Receiver(output).feed(record(stream.PUT, b"file", b"x"))
    assert precious.read_bytes() == b"mine"
    assert (output / "file").read_bytes() == b"x"


def test_only_what_came_by_the_stream_is_deleted(tmp_path: Path) -> None:
    (tmp_path / "mine").write_bytes(b"1")
    (tmp_path / "folder").mkdir()
    receiver = Receiver(tmp_path)
    for path in (b"theirs", b"folder/theirs", b"new/theirs"):
        receiver.feed(record(stream.PUT, path, b"x"))
    for path in (b"mine", b"theirs", b"folder", b"folder/theirs", b"new", b"new/theirs", b"new"):
        receiver.feed(record(stream.DELETE, path))
    assert files(tmp_path) == {"mine": b"1"}
    assert (tmp_path / "folder").is_dir()


@pytest.mark.parametrize(
    "data", [b"Z" + bytes(12), stream.HEAD.pack(b"P", 5000, 0), stream.HEAD.pack(b"P", 1, 1 << 40)]
)
def test_what_no_guest_of_ours_sends_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(Malformed):
        Receiver(tmp_path).feed(data)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c/d"]), st.binary(max_size=50))), st.data())
def test_pieces_of_any_size_give_the_same(
    tmp_path_factory: pytest.TempPathFactory, sent: list[tuple[bytes, bytes]], data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("output")
    whole = b"".join(record(stream.PUT, path, content) for path, content in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=5)))
    receiver = Receiver(folder)
    for begin, end in zip([0, *cuts], [*cuts, len(whole)], strict=True):
        receiver.feed(whole[begin:end])
    assert files(folder) == {path.decode(): content for path, content in sent}
