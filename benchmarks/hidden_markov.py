"""How fast is forward-backward beside hmmlearn and dynamax?

Log evidence and the marginals of all states of a hidden Markov model whose parameters are known, in double
precision. hmmlearn computes the log densities of the emissions as it does; dynamax, which takes them, by the
same function as we do. Times are the best of several calls after the first, which compiles. The last two
columns add the expected number of each transition, which hmmlearn does not give. Ratios say how many times
longer a peer takes than probdl for the same answers.

Then the same as users ask: a NumPyro program with `scan` and `exact_posterior`, beside dynamax's
`GaussianHMM.smoother` and hmmlearn's `score_samples` with its defaults.

    uv pip install hmmlearn dynamax
    uv run python benchmarks/hidden_markov.py
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from dynamax import hidden_markov_model as dynamax  # pyright: ignore[reportMissingImports]
from hmmlearn.hmm import CategoricalHMM, GaussianHMM  # pyright: ignore[reportMissingImports]
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.exact.chains.chain import smooth

LENGTHS, STATES, SYMBOLS = (1_000, 10_000, 100_000), (4, 16, 64), 8
MOST_REPEATS, LONGEST = 30, 1.5


class Problem(NamedTuple):
    """A hidden Markov model and its data; `emission` has means (state,) or probabilities (state, symbol)."""

    start: np.ndarray
    matrix: np.ndarray
    emission: np.ndarray
    data: np.ndarray


def gaussian(x: jax.Array, means: jax.Array) -> jax.Array:
    """Return the log density of each datum in each state, of unit scale."""
    return -0.5 * (x[:, None] - means) ** 2 - 0.5 * jnp.log(2 * jnp.pi)


def categorical(x: jax.Array, probabilities: jax.Array) -> jax.Array:
    """Return the log probability of each symbol in each state."""
    return jnp.log(probabilities).T[x]


def drawn(num_states: int, num_steps: int, *, symbols: bool) -> Problem:
    """Draw a model whose states last for a few steps, and its data."""
    r = np.random.default_rng(0)
    matrix = r.dirichlet(np.ones(num_states), num_states) + 4 * np.eye(num_states)
    matrix /= matrix.sum(1, keepdims=True)
    edges, states = matrix.cumsum(1), np.zeros(num_steps, int)
    for t, u in enumerate(r.uniform(size=num_steps - 1), 1):
        states[t] = min(np.searchsorted(edges[states[t - 1]], u), num_states - 1)
    start = np.full(num_states, 1 / num_states)
    if not symbols:
        means = 1.5 * np.arange(num_states)
        return Problem(start, matrix, means, means[states] + r.normal(size=num_steps))
    table = r.dirichlet(np.full(SYMBOLS, 0.5), num_states)
    data = (table.cumsum(1)[states] < r.uniform(size=(num_steps, 1))).sum(1)
    return Problem(start, matrix, table, data.clip(max=SYMBOLS - 1))


def ours(problem: Problem, *, pairs: bool) -> Callable[[], Any]:
    """Smooth with probdl."""
    density = gaussian if problem.emission.ndim == 1 else categorical

    @jax.jit
    def solve(start: jax.Array, matrix: jax.Array, emission: jax.Array, data: jax.Array) -> Any:
        found = smooth(jnp.log(start), jnp.log(matrix)[None], density(data, emission))
        return found if pairs else found[:2]

    arrays = [jnp.asarray(table) for table in problem]
    return lambda: jax.block_until_ready(solve(*arrays))


def by_dynamax(problem: Problem, *, pairs: bool) -> Callable[[], Any]:
    """Smooth with dynamax, compiled."""
    density = gaussian if problem.emission.ndim == 1 else categorical

    @jax.jit
    def solve(start: jax.Array, matrix: jax.Array, emission: jax.Array, data: jax.Array) -> Any:
        found = dynamax.hmm_smoother.__wrapped__(start, matrix, density(data, emission), None, pairs)
        answer = found.marginal_loglik, found.smoothed_probs
        return (*answer, found.trans_probs) if pairs else answer

    arrays = [jnp.asarray(table) for table in problem]
    return lambda: jax.block_until_ready(solve(*arrays))


def by_hmmlearn(problem: Problem, implementation: str) -> Callable[[], Any]:
    """Smooth with hmmlearn."""
    num_states = len(problem.start)
    if problem.emission.ndim == 1:
        peer = GaussianHMM(num_states, implementation=implementation)
        peer.means_, peer.covars_ = problem.emission[:, None], np.ones((num_states, 1))
    else:
        peer = CategoricalHMM(num_states, implementation=implementation)
        peer.n_features, peer.emissionprob_ = SYMBOLS, problem.emission
    peer.startprob_, peer.transmat_ = problem.start, problem.matrix
    return lambda: peer.score_samples(problem.data[:, None])


def program(start: Any, matrix: Any, means: Any, y: Any) -> None:
    """Draw the model with Gaussian emissions, as a program."""
    first: Any = numpyro.sample("z_0", dist.CategoricalProbs(start))
    numpyro.sample("y_0", dist.Normal(means[first], 1.0), obs=y[0])

    def step(z: Any, y_t: Any) -> tuple[Any, None]:
        z = numpyro.sample("z", dist.CategoricalProbs(matrix[z]))
        numpyro.sample("y", dist.Normal(means[z], 1.0), obs=y_t)
        return z, None

    scan(step, first, y[1:])


def by_program(problem: Problem) -> Callable[[], Any]:
    """Ask probdl about the program."""
    model = pdl.Model(program, problem.start, problem.matrix, problem.emission, problem.data)

    def ask() -> Any:
        posterior = pdl.exact_posterior(model)
        return posterior.log_evidence, posterior.probabilities("z")

    return ask


def by_gaussian_hmm(problem: Problem) -> Callable[[], Any]:
    """Ask dynamax as users do."""
    num_states = len(problem.start)
    model = dynamax.GaussianHMM(num_states, 1)
    parameters, _ = model.initialize(
        initial_probs=jnp.asarray(problem.start),
        transition_matrix=jnp.asarray(problem.matrix),
        emission_means=jnp.asarray(problem.emission)[:, None],
        emission_covariances=jnp.ones((num_states, 1, 1)),
    )
    data = jnp.asarray(problem.data)[:, None]

    def ask() -> Any:
        found = jax.block_until_ready(model.smoother(parameters, data))
        return found.marginal_loglik, np.asarray(found.smoothed_probs)

    return ask


def best_time(call: Callable[[], Any]) -> tuple[float, float, Any]:
    """Return process time and wall time of a call in seconds, each the best of batches of calls."""
    answer = call()
    started = time.perf_counter()
    call()
    once = time.perf_counter() - started
    batch = max(1, int(0.05 / max(once, 1e-6)))
    process, wall, until = np.inf, np.inf, time.perf_counter() + LONGEST
    for _ in range(MOST_REPEATS):
        p, w = time.process_time(), time.perf_counter()
        for _ in range(batch):
            call()
        process = min(process, (time.process_time() - p) / batch)
        wall = min(wall, (time.perf_counter() - w) / batch)
        if time.perf_counter() > until:
            break
    return process, wall, answer


def compare(name: str, problem: Problem) -> None:
    """Print one row, and stop if the evidences differ."""
    calls = {
        "probdl": ours(problem, pairs=False),
        "log": by_hmmlearn(problem, "log"),
        "scaling": by_hmmlearn(problem, "scaling"),
        "dynamax": by_dynamax(problem, pairs=False),
        "probdl+pairs": ours(problem, pairs=True),
        "dynamax+pairs": by_dynamax(problem, pairs=True),
    }
    found = {peer: best_time(call) for peer, call in calls.items()}
    evidence = float(found["probdl"][2][0])
    for peer, (_, _, answer) in found.items():
        if abs(float(answer[0]) / evidence - 1) > 1e-9:
            raise ValueError(f"{peer} finds the evidence {float(answer[0])} of {name}, not {evidence}")
    base, paired = found["probdl"], found["probdl+pairs"]
    cells = [f"{base[0] * 1e3:9.2f}{base[1] * 1e3:9.2f}"]
    cells += [
        f"{found[p][0] / base[0]:8.1f}{found[p][1] / base[1]:7.1f}" for p in ("log", "scaling", "dynamax")
    ]
    cells += [f"{paired[0] * 1e3:10.2f}{found['dynamax+pairs'][0] / paired[0]:8.1f}"]
    print(f"{name:<30}{''.join(cells)}", flush=True)


def programs() -> None:
    """Print the table of what users ask."""
    print(f"\n{'as a program':<30}{'probdl, ms':>18}{'hmmlearn':>15}{'dynamax':>15}")
    print(f"{'':<30}{'process':>9}{'wall':>9}{(' process   wall') * 2}")
    for num_states in STATES:
        for num_steps in LENGTHS:
            problem = drawn(num_states, num_steps, symbols=False)
            asked = by_program(problem), by_hmmlearn(problem, "log"), by_gaussian_hmm(problem)
            (base, *peers) = (best_time(call) for call in asked)
            cells = "".join(f"{peer[0] / base[0]:8.1f}{peer[1] / base[1]:7.1f}" for peer in peers)
            name = f"Gaussian     K={num_states:<3} T={num_steps:>7,}"
            print(f"{name:<30}{base[0] * 1e3:9.2f}{base[1] * 1e3:9.2f}{cells}", flush=True)
            for peer in peers:
                if abs(float(peer[2][0]) / base[2][0] - 1) > 1e-9:
                    raise ValueError(f"a peer finds the evidence {float(peer[2][0])}, not {base[2][0]}")


def main() -> None:
    """Print the tables; a ratio above one means that probdl is faster."""
    peers = "".join(f"{peer:>15}" for peer in ("hmmlearn log", "scaling", "dynamax"))
    print(f"{'':<30}{'probdl, ms':>18}{peers}{'+ pairs':>10}{'dynamax':>8}")
    print(f"{'':<30}{'process':>9}{'wall':>9}{(' process   wall') * 3}{'ms':>10}{'process':>8}")
    for symbols in (False, True):
        for num_states in STATES:
            for num_steps in LENGTHS:
                kind = "categorical" if symbols else "Gaussian"
                problem = drawn(num_states, num_steps, symbols=symbols)
                compare(f"{kind:<12} K={num_states:<3} T={num_steps:>7,}", problem)
    programs()


if __name__ == "__main__":
    jax.config.update("jax_enable_x64", True)  # noqa: FBT003
    main()
