"""How fast are exact posteriors of real Bayesian networks beside pyAgrum and pgmpy?

The networks are those of the Bayesian network repository that pgmpy's wheel holds. A tenth of the variables
is observed, in states drawn from the network; the question is the log evidence and the marginal of every
other variable. All run on one thread, and process time is compared, the best of some repeats:

- again: the same variables are observed as the time before, in other states. No tool plans anew: pyAgrum is
  told of the new states by `chgEvidence`.
- anew: a tool that is just made is asked eight questions, each about other variables than those before, in
  pyAgrum by `setEvidence`. The time is the mean of all eight, with whatever is planned.

pgmpy plans at each question; it is asked about the networks that it finishes in a minute or so.

    uv run --group benchmarks python benchmarks/networks.py [names]
"""

import gzip
import math
import sys
import time
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

import probdl as pdl
from probdl.exact.tables.elimination import TableElimination
from probdl.program.bayesian_network import BayesianNetwork

NAMES = (
    *("asia", "alarm", "insurance", "hailfinder", "win95pts", "andes", "water", "pigs", "mildew", "barley"),
    *("diabetes", "munin", "munin1", "link"),
)
FOR_PGMPY = {"asia", "alarm", "insurance", "hailfinder", "win95pts"}
SETS, ANEW = 3, 8
REPEATS = 3
SHARE = 0.1
ENOUGH = 2000.0  # milliseconds, after which nothing is repeated

Evidence = dict[str, int]
Answer = tuple[float, dict[str, np.ndarray]]
Ask = Callable[[Evidence], Answer]


def text_of(name: str) -> str:
    """Return a network of pgmpy's wheel in the BIF format."""
    spec = find_spec("pgmpy")
    if spec is None or not spec.submodule_search_locations:
        raise ModuleNotFoundError("Expected pgmpy, whose wheel holds the networks. Install group dev.")
    path = Path(spec.submodule_search_locations[0]) / "utils" / "example_models" / f"{name}.bif.gz"
    return gzip.decompress(path.read_bytes()).decode()


def drawn(network: BayesianNetwork, r: np.random.Generator) -> Evidence:
    """Draw a state of each variable."""
    states: Evidence = {}
    for name, parents in network.parents.items():
        row = network.tables[name][tuple(states[parent] for parent in parents)]
        states[name] = int(r.choice(len(row), p=row / row.sum()))
    return states


def questions(network: BayesianNetwork) -> list[tuple[Evidence, Evidence]]:
    """Draw sets of observed variables, each with states from two draws of the network."""
    r = np.random.default_rng(0)
    names = np.array(network.variables)
    found = []
    for _ in range(ANEW):
        seen = [str(name) for name in r.choice(names, max(1, round(SHARE * len(names))), replace=False)]
        first, second = drawn(network, r), drawn(network, r)
        found.append(({name: first[name] for name in seen}, {name: second[name] for name in seen}))
    return found


def ours(network: BayesianNetwork) -> tuple[Ask, Ask]:
    """Ask probdl."""
    sizes = {name: len(states) for name, states in network.states.items()}
    scopes = [(*network.parents[name], name) for name in network.variables]
    engine = TableElimination(sizes, scopes, network.variables)
    tables = list(network.tables.values())

    def ask(evidence: Evidence) -> Answer:
        found = engine.infer(tables, evidence)
        return found.log_evidence, found.marginals

    return ask, ask


def by_pyagrum(network: BayesianNetwork) -> tuple[Ask, Ask]:
    """Ask pyAgrum's lazy propagation."""
    import pyagrum  # pyright: ignore[reportMissingImports]

    theirs = pyagrum.BayesNet()
    for name, states in network.states.items():
        theirs.add(pyagrum.LabelizedVariable(name, name, len(states)))
    for name, parents in network.parents.items():
        for parent in parents:
            theirs.addArc(parent, name)
    for name, table in network.tables.items():
        axes = [*network.parents[name], name]
        order = [axes.index(axis) for axis in reversed(theirs.cpt(name).names)]
        theirs.cpt(name)[:] = np.ascontiguousarray(table.transpose(order))
    engine = pyagrum.LazyPropagation(theirs)
    engine.setNumberOfThreads(1)

    def ask(evidence: Evidence) -> Answer:
        engine.makeInference()
        free = [name for name in network.variables if name not in evidence]
        found = {name: engine.posterior(name).toarray() for name in free}
        return math.log(engine.evidenceProbability()), found

    def again(evidence: Evidence) -> Answer:
        for name, state in evidence.items():
            engine.chgEvidence(name, state)
        return ask(evidence)

    def anew(evidence: Evidence) -> Answer:
        engine.setEvidence(evidence)
        return ask(evidence)

    return again, anew


def by_pgmpy(text: str, network: BayesianNetwork) -> Ask:
    """Ask pgmpy's variable elimination."""
    with warnings.catch_warnings(action="ignore"):
        from pgmpy.inference import VariableElimination
        from pgmpy.readwrite import BIFReader

        engine = VariableElimination(BIFReader(string=text).get_model())

    def ask(evidence: Evidence) -> Answer:
        known: Any = {name: network.states[name][state] for name, state in evidence.items()}
        found = {}
        for name in network.variables:
            if name not in evidence:
                factor: Any = engine.query([name], evidence=known, show_progress=False)
                found[name] = np.array([factor.get_value(**{name: s}) for s in network.states[name]])
        return math.nan, found

    return ask


def timed(ask: Ask, evidence: Evidence) -> tuple[float, Answer]:
    """Return the process time of a question in milliseconds, and the answer."""
    started = time.process_time()
    answer = ask(evidence)
    return (time.process_time() - started) * 1e3, answer


def apart(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> float:
    """Return the largest difference of two sets of marginals."""
    return max(float(np.abs(one[name] - other[name]).max()) for name in other)


def measure(make: Callable[[], tuple[Ask, Ask]], asked: list[tuple[Evidence, Evidence]]) -> Any:
    """Return the mean times of questions asked again and anew, and answers."""
    series, best_again, answers = [], [], []
    for _ in range(REPEATS):
        _, anew = make()
        series.append(np.mean([timed(anew, first)[0] for first, _ in asked]))
        if series[-1] * ANEW > ENOUGH:
            break
    for first, second in asked[:SETS]:
        again, anew = make()
        anew(first)
        times: list[float] = []
        for states in (second, first) * REPEATS * 2:
            times.append(timed(again, states)[0])
            if sum(times) > ENOUGH:
                break
        best_again.append(min(times))
        answers.append(again(second))
    return float(np.mean(best_again)), float(min(series)), answers


def main() -> None:
    """Print the table; ratios above one mean that we are faster."""
    print("process time, ms          again: ours  pyAgrum  ratio    anew: ours  pyAgrum  ratio", end="")
    print("   pgmpy  log evidence  marginals")
    ratios = []
    for name in sys.argv[1:] or NAMES:
        text = text_of(name)
        network = pdl.read_bif(text).program
        if not isinstance(network, BayesianNetwork):
            raise TypeError(f"Expected a Bayesian network; got {network!r}.")
        asked = questions(network)
        again, anew, answers = measure(lambda n=network: ours(n), asked)
        again_theirs, anew_theirs, theirs = measure(lambda n=network: by_pyagrum(n), asked)
        evidence = max(abs(a[0] / b[0] - 1) for a, b in zip(answers, theirs, strict=True))
        marginals = max(apart(a[1], b[1]) for a, b in zip(answers, theirs, strict=True))
        pgmpy = f"{'-':>8}"
        if name in FOR_PGMPY:
            taken, answer = timed(by_pgmpy(text, network), asked[0][1])
            pgmpy = f"{taken:8.0f}"
            if apart(answers[0][1], answer[1]) > 1e-6:
                raise ValueError(f"pgmpy answers otherwise on {name}")
        ratios.append((again_theirs / again, anew_theirs / anew))
        print(
            f"{name:<11}{len(network.variables):>5} variables{again:10.2f}{again_theirs:9.1f}"
            f"{ratios[-1][0]:7.1f}{anew:14.2f}{anew_theirs:9.1f}{ratios[-1][1]:7.1f}{pgmpy}"
            f"{evidence:14.0e}{marginals:11.0e}",
            flush=True,
        )
    for what, values in zip(("again", "anew"), zip(*ratios, strict=True), strict=True):
        mean = math.exp(np.mean(np.log(values)))
        print(f"{what}: geometric mean of the ratios {mean:.1f}, least {min(values):.1f}")


if __name__ == "__main__":
    with threadpool_limits(1):
        main()
