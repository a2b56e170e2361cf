"""What is asked of a kernel can travel: it names nothing of this machine, and says the same wherever it is read."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from harness.kernels.supply.spec import KernelKind, KernelSpec, parse
from harness.run.request import KernelReply, Request, ask

CHECKOUT = Path(__file__).parents[2]

REPLIES = (
    KernelReply(lost="kernel panic: no"),
    KernelReply(status=1, console=("a", "b"), seconds=2.5),
)


def texts(value: object) -> list[str]:
    """All texts in a value that JSON can hold."""
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in texts(one)]
    if isinstance(value, list):
        return [text for one in value for text in texts(one)]
    return [value] if isinstance(value, str) else []


@pytest.fixture
def request_of_a_user(tmp_path: Path) -> Request:
    for name in ("known.toml", "test_mine.py"):
        (tmp_path / name).touch()
    given = ("--baseline", str(tmp_path / "known.toml"), f"{tmp_path / 'test_mine.py'}::test_one[a-b]")
    asked = ask(parse("uml-virtual:7.2"), given, CHECKOUT)
    return msgspec.structs.replace(asked, part=(2, 3), plan={"scenarios/a.py::test_b[x]": ("drop:1", "seq:2")})


@pytest.mark.parametrize(
    "given", [(), ("-k", "fin"), ("scenarios/closing", "--baseline=scenarios/baselines/linux.toml")]
)
def test_request_names_no_path_of_this_machine(given: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CHECKOUT)
    asked = ask(parse("host"), given, CHECKOUT)
    every = texts(msgspec.to_builtins(asked))
    assert [text for text in every if "/" in text and Path(text.partition("=")[2] or text).is_absolute()] == []
    assert [text for text in every if str(CHECKOUT) in text] == []


def test_kernel_whose_scenarios_may_wait_longer_is_called_hung_later() -> None:
    given = ("scenarios/timers", "--real-wait=60")
    assert ask(parse("host"), given, CHECKOUT).real_limit == 20 * ask(parse("host"), given[:1], CHECKOUT).real_limit


def test_files_outside_of_the_checkout_count_from_it(request_of_a_user: Request, tmp_path: Path) -> None:
    every = texts(msgspec.to_builtins(request_of_a_user))
    assert [text for text in every if Path(text.partition("=")[2] or text).is_absolute()] == []
    assert {(CHECKOUT / path).resolve() for path in request_of_a_user.outside} == {
        tmp_path / "known.toml",
        tmp_path,
    }


def test_request_and_reply_say_the_same_after_a_journey(request_of_a_user: Request) -> None:
    for one in (request_of_a_user, *REPLIES):
        assert pickle.loads(pickle.dumps(one)) == one
        assert msgspec.msgpack.decode(msgspec.msgpack.encode(one), type=type(one)) == one
        assert msgspec.json.decode(msgspec.json.encode(one), type=type(one)) == one


def test_a_kernel_of_the_users_is_named_without_its_path(tmp_path: Path) -> None:
    spec = KernelSpec(f"{tmp_path}/vmlinuz", KernelKind.DEBIAN, path=tmp_path / "vmlinuz")
    assert ask(spec, (), CHECKOUT).kernel == "vmlinuz"
    assert ask(replace(spec, name="mine"), (), CHECKOUT).kernel == "mine"
