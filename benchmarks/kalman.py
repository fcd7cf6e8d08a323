"""How fast is Kalman smoothing beside statsmodels, dynamax and pykalman?

Log likelihood, and means and covariances of all states given all data, of a local linear trend (2 states)
and of a trend with a damped cycle and an autoregression, seen twice (5 states); all data present, or a tenth
of all elements missing. statsmodels is asked through its compiled smoother, for these answers alone, and
without its test for convergence, which saves it a tenth of the time and costs it half its digits. dynamax
takes no missing data, and adds 1e-9 to covariances that it inverts, hence its difference; pykalman is asked
about short series alone. Times are process times, the best of some repeats, without the first call, in which
ours is compiled. `roots` are our chains that keep all digits however small the noise.

Then a local level and a local linear trend written as NumPyro programs with `scan`: log evidence, means and
variances by `exact_posterior`, beside `UnobservedComponents.smooth` as users of statsmodels call it, and
beside the compiled smoother alone.

    uv pip install dynamax pykalman
    uv run python benchmarks/kalman.py
"""

import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.exact.gaussians import state_space
from probdl.exact.gaussians.gaussian_root import eliminate_roots
from probdl.exact.gaussians.gaussian_smoothing import smooth
from probdl.exact.gaussians.state_space import StateSpace
from probdl.program.precision import Precision

LENGTHS = (100, 1_000, 10_000, 100_000)
REPEATS = 5
AGREES = 1e-8


class Answer(NamedTuple):
    """What a smoother finds."""

    log_likelihood: float
    mean: np.ndarray
    covariance: np.ndarray


Ask = Callable[[], Answer]


def trend() -> StateSpace:
    """Return a local linear trend."""
    transition = np.array([[1.0, 1.0], [0.0, 1.0]])
    parts = (transition, np.diag([0.1, 1e-4]), np.zeros(2), np.eye(1, 2), np.eye(1), np.zeros(1))
    return StateSpace(*map(jnp.asarray, (*parts, np.zeros(2), 10 * np.eye(2))))


def cycle() -> StateSpace:
    """Return a trend, a damped cycle of ten steps and an autoregression, seen twice."""
    transition = np.zeros((5, 5))
    transition[:2, :2] = [[1.0, 1.0], [0.0, 1.0]]
    turn = 2 * np.pi / 10
    transition[2:4, 2:4] = 0.95 * np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    transition[4, 4] = 0.7
    noise = np.diag([0.1, 1e-4, 0.2, 0.2, 0.5])
    emission = np.array([[1.0, 0, 1, 0, 1], [1.0, 0, 0, 0, 0.5]])
    seen = np.array([[1.0, 0.3], [0.3, 0.5]])
    parts = (transition, noise, np.zeros(5), emission, seen, np.zeros(2), np.zeros(5), 10 * np.eye(5))
    return StateSpace(*map(jnp.asarray, parts))


def level() -> StateSpace:
    """Return a local level."""
    one, zero = np.eye(1), np.zeros(1)
    return StateSpace(*map(jnp.asarray, (one, 0.1 * one, zero, one, one, zero, zero, 10 * one)))


def level_program(y: Any, *, length: int) -> None:
    """Draw a local level, as a program; its `x_0` stands one step before the first one of the matrices."""
    start = numpyro.sample("x_0", dist.Normal(0.0, jnp.sqrt(9.9)))

    def step(previous, seen):
        now = numpyro.sample("x", dist.Normal(previous, jnp.sqrt(0.1)))
        numpyro.sample("y", dist.Normal(now, 1.0), obs=seen)
        return now, None

    scan(step, start, y, length=length)


def trend_program(y: Any, *, length: int) -> None:
    """Draw a local linear trend, as a program; its first step is drawn from the prior of the matrices."""
    covariance = jnp.diag(jnp.array([0.1, 1e-4]))
    turn = jnp.array([[1.0, 1.0], [0.0, 1.0]])
    start: Any = numpyro.sample("x_0", dist.MultivariateNormal(jnp.zeros(2), 10 * jnp.eye(2)))
    numpyro.sample("y_0", dist.Normal(start[0], 1.0), obs=y[0])

    def step(previous, seen):
        now: Any = numpyro.sample("x", dist.MultivariateNormal(turn @ previous, covariance))
        numpyro.sample("y", dist.Normal(now[0], 1.0), obs=seen)
        return now, None

    scan(step, start, y[1:], length=length - 1)


def simulate(model: StateSpace, length: int, missing: float) -> np.ndarray:
    """Draw data; some elements are missing."""
    r = np.random.default_rng(length)
    f, q, _, h, s, _, state, _ = map(np.asarray, model)
    moves = r.multivariate_normal(np.zeros(len(q)), q, size=length)
    data = r.multivariate_normal(np.zeros(len(s)), s, size=length)
    for t in range(length):
        data[t] += h @ state
        state = f @ state + moves[t]
    data[r.uniform(size=data.shape) < missing] = np.nan
    return data


def ours(model: StateSpace, data: np.ndarray) -> Ask:
    """Ask probdl."""
    return _ours(state_space.kalman_smoother, model, data)


def roots(model: StateSpace, data: np.ndarray) -> Ask:
    """Ask probdl for the chain of square roots."""

    def answer(model: StateSpace, data: jax.Array):
        eliminated = eliminate_roots(model.roots(data))
        return eliminated.border.log_scale, smooth(eliminated)

    return _ours(jax.jit(answer), model, data)


def _ours(answer: Callable, model: StateSpace, data: np.ndarray) -> Ask:
    values = jnp.asarray(data)

    def ask() -> Answer:
        found, smoothed = jax.block_until_ready(answer(model, values))
        return Answer(float(found), np.asarray(smoothed.mean), np.asarray(smoothed.covariance))

    return ask


def by_statsmodels(model: StateSpace, data: np.ndarray) -> Ask:
    """Ask statsmodels."""
    from statsmodels.tsa.statespace.kalman_smoother import SMOOTHER_STATE, SMOOTHER_STATE_COV, KalmanSmoother

    f, q, _, h, s, _, m, p = map(np.asarray, model)
    wanted = SMOOTHER_STATE | SMOOTHER_STATE_COV
    smoother = KalmanSmoother(data.shape[1], len(m), smoother_output=wanted, tolerance=0)
    smoother.bind(data.copy())
    smoother["transition"], smoother["selection"], smoother["state_cov"] = f, np.eye(len(m)), q
    smoother["design"], smoother["obs_cov"] = h, s
    smoother.initialize_known(m, p)

    def ask() -> Answer:
        found: Any = smoother.smooth()
        return Answer(found.llf, found.smoothed_state.T, found.smoothed_state_cov.transpose(2, 0, 1))

    return ask


def by_dynamax(model: StateSpace, data: np.ndarray) -> Ask | None:
    """Ask dynamax."""
    from dynamax.linear_gaussian_ssm import (  # pyright: ignore[reportMissingImports]
        inference as lgssm,
    )

    if np.isnan(data).any():
        return None
    f, q, b, h, s, d, m, p = model
    zero = jnp.zeros((len(m), 0)), jnp.zeros((len(s), 0))
    params = lgssm.ParamsLGSSM(
        initial=lgssm.ParamsLGSSMInitial(mean=m, cov=p),
        dynamics=lgssm.ParamsLGSSMDynamics(weights=f, bias=b, input_weights=zero[0], cov=q),
        emissions=lgssm.ParamsLGSSMEmissions(weights=h, bias=d, input_weights=zero[1], cov=s),
    )
    smoother, values = jax.jit(lgssm.lgssm_smoother), jnp.asarray(data)

    def ask() -> Answer:
        found = jax.block_until_ready(smoother(params, values))
        mean, covariance = np.asarray(found.smoothed_means), np.asarray(found.smoothed_covariances)
        return Answer(float(found.marginal_loglik), mean, covariance)

    return ask


def by_pykalman(model: StateSpace, data: np.ndarray) -> Ask | None:
    """Ask pykalman."""
    from pykalman import KalmanFilter  # pyright: ignore[reportMissingImports]

    if len(data) > 1_000 or np.isnan(data).any():  # it drops a time at which one element is missing
        return None
    f, q, b, h, s, d, m, p = map(np.asarray, model)
    smoother = KalmanFilter(f, h, q, s, b, d, m, p)

    def ask() -> Answer:
        mean, covariance = smoother.smooth(data)
        return Answer(float(smoother.loglikelihood(data)), mean, covariance)

    return ask


PEERS = {
    "probdl": ours,
    "roots": roots,
    "statsmodels": by_statsmodels,
    "dynamax": by_dynamax,
    "pykalman": by_pykalman,
}


def measured(ask: Ask) -> tuple[float, float, Answer]:
    """Return the best time and the time of the first call in seconds, and the answer."""
    started = time.perf_counter()
    answer = ask()
    first, times = time.perf_counter() - started, []
    for _ in range(REPEATS):
        started = time.process_time()
        ask()
        times.append(time.process_time() - started)
        if sum(times) > 10:
            break
    return min(times), first, answer


def difference(a: Answer, b: Answer) -> float:
    """Return the largest difference, of means in standard deviations, of the others relative."""
    sd = np.sqrt(np.diagonal(b.covariance, axis1=1, axis2=2))
    cross = sd[:, :, None] * sd[:, None, :]
    return max(
        abs(a.log_likelihood / b.log_likelihood - 1),
        np.abs((a.mean - b.mean) / sd).max(),
        np.abs((a.covariance - b.covariance) / cross).max(),
    )


def differing(gaps: dict[str, float]) -> str:
    """Return the differences of all peers from statsmodels in words."""
    return ", ".join(f"{peer} {gap:.0e}" for peer, gap in gaps.items() if peer != "statsmodels")


def by_program(program: Callable, data: np.ndarray) -> Callable[[], tuple[float, np.ndarray, np.ndarray]]:
    """Ask probdl about a program."""
    model = pdl.Model(program, y=data[:, 0], length=len(data))

    def ask() -> tuple[float, np.ndarray, np.ndarray]:
        posterior = pdl.exact_posterior(model)
        if not isinstance(posterior, pdl.ExactPosterior):
            raise TypeError(f"Expected an ExactPosterior; got {posterior}. Ask about a program with a scan.")
        return posterior.log_evidence, posterior.mean("x"), posterior.variance("x")

    return ask


def by_components(words: str, variances: list[float], data: np.ndarray) -> Callable[[], Any]:
    """Ask statsmodels as users do."""
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    components: Any = UnobservedComponents
    model = components(data[:, 0], words)
    size = len(variances) - 1
    model.ssm.initialize_known(np.zeros(size), 10 * np.eye(size))
    model.loglikelihood_burn = 0
    return lambda: model.smooth(variances)


def fastest(ask: Callable[[], object]) -> float:
    """Return the best time in seconds."""
    times = []
    for _ in range(REPEATS):
        started = time.process_time()
        ask()
        times.append(time.process_time() - started)
    return min(times)


def programs() -> None:
    """Print the table of programs."""
    print(
        f"\nprogram with scan, ms{'':<7}{'probdl':>12}{'components':>12}{'smoother':>12}   components/probdl"
    )
    for name, program, model, words, variances, lengths in (
        ("level", level_program, level(), "local level", [1.0, 0.1], LENGTHS),
        ("trend", trend_program, trend(), "local linear trend", [1.0, 0.1, 1e-4], LENGTHS[:3]),
    ):  # a trend of 1e5 steps goes so far from zero that a program is refused
        for length in lengths:
            data = simulate(model, length, 0.0)
            ask, bare = by_program(program, data), by_statsmodels(model, data)
            components = by_components(words, variances, data)
            (found, means, _), expected = ask(), bare()
            last = expected.mean[-len(means) :].reshape(means.shape)
            off = abs(float(components().llf) / expected.log_likelihood - 1)
            gap = max(abs(found / expected.log_likelihood - 1), np.abs(means - last).max())
            times = [fastest(call) * 1e3 for call in (ask, components, bare)]
            cells = "".join(f"{ms:12.2f}" for ms in times)
            print(f"{name:<7} T ={length:>8,}{'':<10}{cells}{times[1] / times[0]:>20.1f}", flush=True)
            if max(gap, off) > AGREES:
                raise ValueError(f"statsmodels answers otherwise on a program of {length} steps")


def main() -> None:
    """Print the tables."""
    print(f"smoothing, ms{'':<22}" + "".join(f"{peer:>12}" for peer in PEERS), end="")
    print("   statsmodels/probdl  first call, s   largest difference from statsmodels")
    for name, model in (("trend", trend()), ("cycle", cycle())):
        for missing in (0.0, 0.1):
            for length in LENGTHS:
                data = simulate(model, length, missing)
                asked = {peer: ask for peer, make in PEERS.items() if (ask := make(model, data))}
                found = {peer: measured(ask) for peer, ask in asked.items()}
                times = "".join(f"{found[p][0] * 1e3:12.2f}" if p in found else f"{'-':>12}" for p in PEERS)
                gaps = {peer: difference(own[2], found["statsmodels"][2]) for peer, own in found.items()}
                ratio = found["statsmodels"][0] / found["probdl"][0]
                row = f"{name:<7} T ={length:>8,} missing {missing:4.0%}"
                print(
                    f"{row:<35}{times}{ratio:>21.1f}{found['probdl'][1]:>15.1f}   " + differing(gaps),
                    flush=True,
                )
                if max(gaps["probdl"], gaps["roots"]) > AGREES:
                    raise ValueError(f"statsmodels answers otherwise on {row}")
    programs()


if __name__ == "__main__":
    with Precision.DOUBLE.active():
        main()
