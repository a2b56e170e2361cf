"""User Mode Linux in virtual time: no time passes while code runs, and none is spent waiting."""

from __future__ import annotations

import os
from pathlib import Path

from harness.errors import FinwaitError
from harness.kernels.backend import Job
from harness.kernels.cache import Cache
from harness.kernels.images import ImageKind, identify
from harness.kernels.spec import KernelSpec
from harness.kernels.uml import Uml
