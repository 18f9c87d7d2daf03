"""Let the tests import the programs that turn chapters into a site."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "book" / "_ext"))
