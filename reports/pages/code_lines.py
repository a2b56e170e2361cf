"""Adds to gcovr's pages of a kernel's code which scenarios reach a line."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path

from harness.code.index import CodeFile, CodeIndex

_SCRIPT = "scenarios.js"
_FILE = re.compile(r"\(([\w./-]+):\d+\)</a>")  # in its list of functions


def add_scenarios(pages: Path, index: CodeIndex) -> None:
    """Let a click on a line's number list the scenarios that reach it.

    Args:
        pages: the folder that gcovr wrote to.
        index: of the same run.
    """
    names = json.dumps(index.scenarios).replace("</", "<\\/")
    code = (Path(__file__).with_name("code_lines.js")).read_text(encoding="utf-8")
    (pages / _SCRIPT).write_text(f"const SCENARIOS = {names};\n", encoding="utf-8")
    (pages / "lines.js").write_text(code, encoding="utf-8")
    for page in pages.glob("*.html"):
        text = page.read_text(encoding="utf-8")
        found = _FILE.search(text)
        if found and found[1] in index.files and 'id="L1"' in text:
            own = f"<script>{_data(index, index.files[found[1]])}</script>"
            scripts = f'<script src="{_SCRIPT}"></script>{own}<script src="lines.js"></script>'
            page.write_text(text.replace("</body>", f"{scripts}</body>"), encoding="utf-8")


def _data(index: CodeIndex, file: CodeFile) -> str:
    sets = {place: base64.b64encode(index.sets[place]).decode() for place in sorted(set(file.lines.values()))}
    return f"const LINES = {json.dumps(dict(file.lines))}, SETS = {json.dumps(sets)};"
