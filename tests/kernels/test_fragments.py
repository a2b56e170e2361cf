"""What is asked of a kernel's configuration, and how it is held against what came out."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.kernels.supply.fragments import VIRTUAL_UML, ConfigOption, fragment, missing, parse_config

OLD, NEW = (5, 10), (7, 2)


def test_option_that_a_version_does_not_have_is_not_asked_of_it() -> None:
    assert "CONFIG_TCP_AO" not in fragment(VIRTUAL_UML, OLD)
    assert "CONFIG_TCP_AO=y" in fragment(VIRTUAL_UML, NEW)
    assert "CONFIG_BLOCK=y" in fragment(VIRTUAL_UML, OLD)
    assert "CONFIG_BLOCK" not in fragment(VIRTUAL_UML, NEW)


def test_every_required_option_says_what_needs_it() -> None:
    assert [option.name for option in VIRTUAL_UML if option.required and not option.why] == []


def test_no_option_is_named_twice_for_one_version() -> None:
    for version in (OLD, (6, 1), (6, 12), NEW):
        names = [option.name for option in VIRTUAL_UML if option.applies(version)]
        assert sorted(names) == sorted(set(names))


@pytest.mark.parametrize(
    ("option", "config", "lacks"),
    [
        (ConfigOption("VETH"), {"VETH": "y"}, False),
        (ConfigOption("VETH"), {"VETH": "n"}, True),
        (ConfigOption("VETH"), {"VETH": "m"}, True),
        (ConfigOption("VETH"), {}, True),
        (ConfigOption("MODULES", "n"), {}, False),
        (ConfigOption("MODULES", "n"), {"MODULES": "y"}, True),
        (ConfigOption("HZ", "250"), {"HZ": "100"}, True),
        (ConfigOption("TCP_AO", since=(6, 7)), {}, True),
        (ConfigOption("TCP_AO", since=(7, 3)), {}, False),
        (ConfigOption("BLOCK", until=(5, 11)), {}, False),
    ],
)
def test_missing_is_what_applies_and_is_not_as_asked(option: ConfigOption, config: dict[str, str], lacks: bool) -> None:
    assert missing([option], NEW, config) == ([option] if lacks else [])


def test_configuration_file_with_comments_strings_and_numbers() -> None:
    text = '# Linux/um 7.2\nCONFIG_HZ=250\n# CONFIG_MODULES is not set\nCONFIG_CC="gcc 12"\n\n# a heading\n'
    assert parse_config(text) == {"HZ": "250", "MODULES": "n", "CC": '"gcc 12"'}


names = st.from_regex(r"[A-Z0-9_]{1,20}", fullmatch=True)


@given(st.dictionaries(names, st.sampled_from(["y", "n", "m", "250"])))
def test_a_fragment_reads_back_as_what_was_asked(settings: dict[str, str]) -> None:
    options = [ConfigOption(name, value) for name, value in settings.items()]
    config = parse_config(fragment(options, NEW))
    assert config == settings
    assert missing(options, NEW, config) == []
