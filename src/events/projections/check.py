"""Whether views are what the events make of them: the one check of the audit, the simulator and the tests.

It folds the log anew, by `events.evolve` and `events.views`, which know nothing of projections, and compares.
"""

from __future__ import annotations
