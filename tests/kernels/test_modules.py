"""The order in which modules are loaded."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import FinwaitError
from harness.kernels.boot.modules import depends, load_order


def module(folder: Path, name: str, *needed: str) -> Path:
    file = folder / "kernel/net" / f"{name}.ko"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"\x7fELF\0license=GPL\0depends=" + ",".join(needed).encode() + b"\0retpoline=Y\0")
    return file


def test_what_is_needed_comes_first(tmp_path: Path) -> None:
    module(tmp_path, "ipv6", "crc-ccitt")
    module(tmp_path, "crc-ccitt")
    module(tmp_path, "unwanted")
    assert [file.stem for file in load_order(tmp_path, ("ipv6",))] == ["crc-ccitt", "ipv6"]


def test_what_is_built_in_is_passed_over(tmp_path: Path) -> None:
    module(tmp_path, "veth")
    assert [file.stem for file in load_order(tmp_path, ("ipv6", "veth"))] == ["veth"]


def test_dashes_and_underscores_are_the_same(tmp_path: Path) -> None:
    module(tmp_path, "sch-netem")
    assert len(load_order(tmp_path, ("sch_netem",))) == 1


def test_compressed_module_tells_what_it_needs(tmp_path: Path) -> None:
    plain = module(tmp_path, "tcp_diag", "inet_diag")
    packed = tmp_path / "tcp_diag.ko.xz"
    packed.write_bytes(lzma.compress(plain.read_bytes()))
    assert depends(packed) == ("inet_diag",)


def test_hole_in_the_folder_is_named(tmp_path: Path) -> None:
    module(tmp_path, "ipv6", "crc-ccitt")
    with pytest.raises(FinwaitError, match="needs the module crc_ccitt, which is not there"):
        load_order(tmp_path, ("ipv6",))


@given(st.permutations(range(6)), st.data())
def test_every_module_comes_after_what_it_needs(order: list[int], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as name:
        needs = {
            f"m{index}": data.draw(st.sets(st.sampled_from([f"m{i}" for i in range(index)]))) if index else set()
            for index in range(6)
        }
        for module_name, needed in needs.items():
            module(Path(name), module_name, *sorted(needed))
        loaded = [file.stem for file in load_order(Path(name), tuple(f"m{i}" for i in order))]
    assert sorted(loaded) == sorted(needs)
    assert all(loaded.index(need) < loaded.index(name) for name, needed in needs.items() for need in needed)
