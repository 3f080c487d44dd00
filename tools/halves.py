"""`python -m tools.halves`: every test, in two runs at once: those that mostly wait for a broker and its workers, and the rest.

The output of the first is shown when the second is done. Ends with the greater exit status of the two.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
WAITING: Final = ("tests/streams", "tests/chaos", "tests/servers", "tests/http", "tests/tools/test_compose_running.py")
PYTEST: Final = (sys.executable, "-m", "pytest", "-q")


def main() -> int:
    """Run both; the status of the worse."""
    rest = [f"--ignore={name}" for name in WAITING]
    with tempfile.TemporaryFile("w+", encoding="utf-8") as output:
        waiting = subprocess.Popen([*PYTEST, *WAITING], cwd=ROOT, stdout=output, stderr=subprocess.STDOUT)  # noqa: S603  our own words
        try:
            status = subprocess.run([*PYTEST, *rest, "tests"], cwd=ROOT, check=False).returncode  # noqa: S603  our own words
            other = waiting.wait()
        finally:
            waiting.terminate()
            waiting.wait()
        output.seek(0)
        sys.stdout.write(output.read())
    return max(status, other)


if __name__ == "__main__":
    sys.exit(main())
