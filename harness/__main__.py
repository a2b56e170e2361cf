"""``python -m harness`` is the finwait command."""

import sys

from harness.cli.main import main

sys.exit(main())
