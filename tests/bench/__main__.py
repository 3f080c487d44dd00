"""`python -m tests.bench [PART…]`: one JSON object a line for each figure; BENCH_FULL=1 for the large stream."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from tests.bench.parts import PARTS, figures
from tests.bench.sizes import DEFAULT, FULL
from tests.bench.workbench import Workbench


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the named parts, or all."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"one of {', '.join(PARTS)}; none: all")
    named = parser.parse_args(arguments).parts
    if unknown := sorted(set(named) - PARTS.keys()):
        parser.error(f"there is no part {', '.join(unknown)}; the parts are {', '.join(PARTS)}")
    sizes = FULL if os.environ.get("BENCH_FULL") == "1" else DEFAULT
    with tempfile.TemporaryDirectory() as folder:
        for one in figures(Workbench(Path(folder), sizes), named or list(PARTS)):
            print(json.dumps(one, ensure_ascii=False), flush=True)


if __name__ == "__main__":
    main()
