"""Changes a kernel's source in one line: what whoever watches it has to notice."""

from __future__ import annotations

import difflib
import random
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from harness.code.index import CodeIndex

_NO_CODE = re.compile(r"\s*(/?\*|//|#|\})|.*\\$")
# Counts, assertions and traces that no peer sees, and locks, without which a kernel may hang at any time.
_UNSEEN = re.compile(
    r"\b(\w*_INC_STATS\w*|\w*_ADD_STATS\w*|WARN_ON\w*|DEBUG_NET_WARN_ON\w*|BUILD_BUG_ON\w*|BUG_ON|trace_\w+|pr_\w+"
    r"|\w*printk\w*|\w*lock\w*|\w*_bh|local_irq_\w+|preempt_\w+|rcu_\w+|smp_\w+|kfree\w*|\w*prefetch\w*|\w*assert\w*|EXPORT_\w+)\s*\("
)
_RULES: Mapping[str, tuple[tuple[str, str], ...]] = {
    "comparison": (
        *((r"(?<![<>=!-])<(?![<=])", "<="), (r"(?<![<>-])<=(?!=)", "<"), (r"(?<![<>-])>(?![>=])", ">=")),
        *(
            (r"(?<![<>-])>=(?!=)", ">"),
            (r"==", "!="),
            (r"!=", "=="),
            (r"\bbefore\(", "after("),
            (r"\bafter\(", "before("),
        ),
    ),
    "condition": (
        (r"&&", "||"),
        (r"\|\|", "&&"),
        (r"\bif \((?=[\w>.-]+(\([^&|<>=]*\))?\)( \{)?$)", "if (!"),
        (r"\bif \(!(?=\w)", "if ("),
    ),
    "off by one": ((r" \+ 1\b", ""), (r" - 1\b", "")),
    "flag": ((r"\btrue\b", "false"), (r"\bfalse\b", "true"), (r" \|= ", " &= ~"), (r" &= ~", " |= ")),
}
_GOES_ON = re.compile(r"[,(=&|+?:-]\s*$")
_CALL = re.compile(r"\t+[a-z]\w*\([^;{}]*\);\s*$")


class KernelMutant(NamedTuple):
    """A change of one line of a kernel's source.

    Args:
        file: in the kernel's tree.
        line: its number.
        kind: what is changed: a comparison, a condition, off by one, a flag, or a call that is dropped.
        before: the line as it is.
        after: as it becomes.
    """

    file: str
    line: int
    kind: str
    before: str
    after: str

    def patch(self, text: str) -> str:
        """The change as a patch of the file, which holds ``text``."""
        lines = text.splitlines(keepends=True)
        changed = [*lines]
        changed[self.line - 1] = self.after + "\n"
        return "".join(difflib.unified_diff(lines, changed, f"a/{self.file}", f"b/{self.file}"))


def mutants_of(file: str, text: str, numbers: Iterable[int]) -> Iterator[KernelMutant]:
    """Every change of a file's lines, in their order.

    Args:
        file: in the kernel's tree.
        text: what it holds.
        numbers: of the lines that may be changed.
    """
    lines = text.splitlines()
    for number in numbers:
        line = lines[number - 1]
        if _NO_CODE.match(line) or _UNSEEN.search(line):
            continue
        if _CALL.match(line) and not _GOES_ON.search(lines[number - 2]):
            yield KernelMutant(file, number, "dropped call", line, re.sub(r"\S.*", ";", line))
        code = line.partition("/*")[0]
        for kind, rules in _RULES.items():
            for pattern, put in rules:
                for found in re.finditer(pattern, code):
                    after = line[: found.start()] + put + line[found.end() :]
                    yield KernelMutant(file, number, kind, line, after)


def drawn(index: CodeIndex, texts: Mapping[str, str], sample: int, seed: int) -> list[KernelMutant]:
    """So many of all changes of lines that some scenario reaches, by a seed; in the order of files and lines.

    Args:
        index: who reaches what.
        texts: of the files that may be changed, by their path in the kernel's tree.
        sample: how many, or all where there are fewer.
        seed: of the choice.
    """
    every = [
        mutant
        for file, text in sorted(texts.items())
        for mutant in mutants_of(
            file, text, (line for line, place in index.files[file].lines.items() if any(index.sets[place]))
        )
    ]
    return sorted(random.Random(seed).sample(every, min(sample, len(every))))
