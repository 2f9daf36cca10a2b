"""What `make demo` runs: ``python demo/run.py [--lang fr]``."""

from __future__ import annotations

import sys
from pathlib import Path

if __name__ == "__main__":
    # Started as a file, Python looks for modules beside it and not in the project's folder.
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    from demo.story import main

    sys.exit(main())
