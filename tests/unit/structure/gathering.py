"""The program that puts images together, which is no package of ours: it is only ever run."""

import importlib.util
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]

_spec = importlib.util.spec_from_file_location("gather", ROOT / "deploy" / "image" / "gather.py")
assert _spec and _spec.loader
gather = importlib.util.module_from_spec(_spec)
sys.modules["gather"] = gather
_spec.loader.exec_module(gather)
