"""The peer: counted seconds per patient-month and a threshold event, kept by the `eventsourcing` library on SQLite.

It is spared the rules and told what counts; it is given its fastest cache.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
