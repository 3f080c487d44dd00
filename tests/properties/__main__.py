"""`make properties CASES=100000`: so many random patient-months beside the oracle; one JSON line, exit 1 on any disagreement."""

import json
import os
import sys
from time import monotonic

from tests.properties.campaign import run


def main() -> int:
    """Compare, print what was compared."""
    first, begun = int(os.environ.get("FIRST_SEED", "0")), monotonic()
    tally = run(int(os.environ.get("CASES", "100000")), first)
    for text in tally.found:
        sys.stderr.write(f"{text}\n")
    figures = {"patient_months": tally.patient_months, "histories": tally.histories, "through_ledger": tally.through_ledger}
    print(json.dumps({**figures, "first_seed": first, "disagreements": len(tally.found), "seconds": round(monotonic() - begun)}))  # noqa: T201
    return 1 if tally.found else 0


if __name__ == "__main__":
    sys.exit(main())
