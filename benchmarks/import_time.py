"""How long does `import probdl` take, beside `import numpyro`? One run, in turn, ratios.

    uv run python benchmarks/import_time.py

`probdl` alone loads almost nothing; the second row loads what every program needs.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

ROUNDS = 7
STATEMENTS = {
    "import probdl": "import probdl",
    "Model, graph": "from probdl import Model, graph",
    "infer, NUTS, draw": "from probdl import infer, NUTS, draw",
}
REFERENCE = "import numpyro"


def seconds(statement: str) -> float:
    """Return how long a fresh interpreter takes for a statement."""
    start = time.perf_counter()
    subprocess.run([sys.executable, "-c", statement], check=True)
    return time.perf_counter() - start


def main() -> None:
    """Print the table."""
    for statement in (REFERENCE, *STATEMENTS.values()):
        seconds(statement)
    rounds = [
        {name: seconds(code) for name, code in {REFERENCE: REFERENCE, **STATEMENTS}.items()}
        for _ in range(ROUNDS)
    ]
    base = statistics.median(r[REFERENCE] for r in rounds)
    for name in (REFERENCE, *STATEMENTS):
        time_taken = statistics.median(r[name] for r in rounds)
        print(f"{name:>20} {time_taken:6.2f} s  ratio {time_taken / base:5.2f}")


if __name__ == "__main__":
    main()
