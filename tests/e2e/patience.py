"""How many times longer these tests wait: on a machine that is emulated (scripts/test-debian), 10."""

from __future__ import annotations

import os

FACTOR = float(os.environ.get("SAMPAN_TEST_PATIENCE", "1"))
