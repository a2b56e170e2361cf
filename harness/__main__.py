"""``python -m harness`` is the finwait command."""

import sys

from harness.cli import main

sys.exit(main())
