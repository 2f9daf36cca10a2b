"""Measurements: ``python -m bench`` writes JSON, plots and the tables of ``docs/performance.md``.

The unit of every time is one multiplication of a point by a random scalar, libsecp256k1 called from
Python, measured next to the thing measured (`bench.timing`). Nothing that ships imports this.
"""

import os

# Everything is compared with one multiplication on one core, so linear algebra gets one core too.
# This has to be said before numpy is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
