"""``python -m benchmarks``: prints the figures, each as the median and the range of what was measured."""

from __future__ import annotations

import sys

from benchmarks import captures, cluster, explore, kernels, lab, path, phases, scenario, scripts
from harness.errors import FinwaitError
from netns import privilege


def main() -> int:
    """Measure and print; status 2 where the machine lacks what it takes."""
    try:
        print(f"rights: {privilege.ensure()}")
        for part in (scenario, scripts, lab, phases, path, kernels, cluster, explore, captures):
            for line in part.report():
                print(line)
    except FinwaitError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


sys.exit(main())
