"""Makes the good clients importable: each bad one is a good one with one fault."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "good"))
