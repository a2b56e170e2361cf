"""``finwait import``: a packetdrill script as a scenario."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from harness.errors import FinwaitError
from harness.packetdrill.parser import parse
from harness.packetdrill.settings import effective
from harness.packetdrill.to_program import beside, program_of
from harness.packetdrill.variants import variants_of
from harness.program.python import python


def scenario(path: Path, defines: Mapping[str, str], options: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """The text of a scenario that does what a script does over the first IP version that it has, and what it does not.

    Args:
        path: of the script.
        defines: symbols, as ``-D`` of packetdrill gives them.
        options: of packetdrill.

    Raises:
        FinwaitError: it cannot be read, or is no script.
    """
    try:
        text = path.read_text(errors="surrogateescape")
    except OSError as error:
        raise FinwaitError(f"{path} cannot be read: {error.strerror}") from error
    first = variants_of(text)[0]
    script = parse(text, str(path), {**first.defines, **defines})

    given = {"ip_version": first.name, **options}
    program, lacking = program_of(script, text.splitlines(), effective(script, given), beside(path))
    return python(program, f"{path.name}::test_{path.stem}", "imported"), lacking
