"""Chains: equal to the sum over all paths, also where rescaled numbers underflow; fast, and of one shape."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.extend.core import ClosedJaxpr, Jaxpr

from probdl.exact.chains.chain import _quick, _smooth, filtered, log_normalizer, smooth
from probdl.exact.chains.chain_logarithms import smoothed_in_logs
from probdl.exact.chains.chain_messages import Associative
from probdl.exact.chains.chain_paths import most_probable, sample
from probdl.exact.chains.chain_sweeps import Sequential
from probdl.program.precision import Precision

EPS = np.finfo(np.float64).eps
SEQUENTIAL, ASSOCIATIVE = Sequential(), Associative()
SHAPES = [(3, 1), (1, 4), (3, 4)]
SPREADS = [1.0, 30.0, 400.0, 3000.0]
quick = jax.jit(_quick, static_argnums=3)
by_algorithm = pytest.mark.parametrize(
    "algorithm", [SEQUENTIAL, ASSOCIATIVE], ids=["sequential", "associative"]
)


@pytest.fixture(autouse=True)
def _double():
    with Precision.DOUBLE.active():
        yield


def random_chain(seed, num_states, num_steps, *, shared, holes=0.2):
    """Return log potentials with a spread of nats and a share of -inf that depend on the seed."""
    r = np.random.default_rng(seed)
    spread = SPREADS[seed % len(SPREADS)]

    def table(*shape):
        return np.where(r.uniform(size=shape) < holes, -np.inf, spread * r.normal(size=shape))

    matrices = table(1 if shared else num_steps - 1, num_states, num_states)
    return table(num_states), matrices, table(num_steps, num_states)


def chains(num_states, num_steps, *, shared, count=24):
    return [random_chain(seed, num_states, num_steps, shared=shared) for seed in range(count)]


def all_paths(initial, transitions, emissions):
    """Return every path, and the sum of its log potentials."""
    num_steps, num_states = emissions.shape
    paths = np.array(list(itertools.product(range(num_states), repeat=num_steps)))
    logs = initial[paths[:, 0]] + emissions[np.arange(num_steps), paths].sum(1)
    for t in range(num_steps - 1):
        logs = logs + transitions[min(t, len(transitions) - 1), paths[:, t], paths[:, t + 1]]
    return paths, logs


def log_sum(logs):
    peak = logs.max()
    return peak if np.isneginf(peak) else peak + np.log(np.exp(logs - peak).sum())


def summed(initial, transitions, emissions):
    """Return log Z, and the marginals of states and pairs, by going through all paths."""
    paths, logs = all_paths(initial, transitions, emissions)
    total = log_sum(logs)
    weights = np.zeros(len(logs)) if np.isneginf(total) else np.exp(logs - total)
    states, pairs = np.zeros(emissions.shape), np.zeros(transitions.shape)
    for t in range(len(emissions)):
        np.add.at(states[t], paths[:, t], weights)
    for t in range(len(emissions) - 1):
        np.add.at(pairs[min(t, len(transitions) - 1)], (paths[:, t], paths[:, t + 1]), weights)
    return total, states, pairs


def tolerance(chain):
    """Return what rounding can do: each of the sums is off by an eps of its terms, each term of its size."""
    largest = max((np.abs(table[np.isfinite(table)]).max(initial=1.0) for table in chain), default=1.0)
    return 8 * EPS * chain[2].size * (1 + largest)


def close(found, expected, chain):
    atol = tolerance(chain)
    for one, other in zip(found, expected, strict=True):
        assert not np.isnan(one).any()
        np.testing.assert_allclose(one, other, rtol=atol, atol=atol)


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("shape", "algorithm"),
    [(shape, SEQUENTIAL) for shape in SHAPES] + [((3, 1), ASSOCIATIVE), ((3, 4), ASSOCIATIVE)],
)
@pytest.mark.parametrize("shared", [True, False])
def test_smoothed_is_the_sum_over_all_paths(shape, shared, algorithm):
    for chain in chains(*shape, shared=shared):
        close(smooth(*chain, algorithm=algorithm), summed(*chain), chain)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("shape", [(3, 1), (3, 4)])
def test_logarithms_alone_are_the_sum_over_all_paths(shape, shared):
    solve = jax.jit(smoothed_in_logs)
    for chain in chains(*shape, shared=shared):
        close(solve(*chain), summed(*chain), chain)


@pytest.mark.slow
@by_algorithm
def test_rescaled_numbers_are_right_wherever_they_are_trusted(algorithm):
    count = {True: 0, False: 0}
    for chain in chains(3, 4, shared=False, count=400):
        found = quick(*chain, algorithm)
        count[bool(found.trusted)] += 1
        if found.trusted:
            close((found.log_normalizer, found.states, found.pairs), summed(*chain), chain)
    assert min(count.values()) > 100


STAY = np.where(np.eye(3), 0, -np.inf)[None]
LEFT_TO_RIGHT = np.where(np.tri(3).T - np.tri(3, 3, -2).T, -1.0, -np.inf)[None]
UNDERFLOWS = {
    "a good state that cannot be reached": (
        np.array([0.0, -np.inf, -np.inf]),
        LEFT_TO_RIGHT,
        np.array([[-900.0, 0, 0], [-900, -800, 0], [-900, 0, -850], [0, -900, -900]]),
    ),
    "a state that comes back": (
        np.zeros(3),
        STAY,
        np.array([[0.0, -800, -np.inf], [-300, 0, -np.inf], [-300, 0, 0], [-300, 0, 0]]),
    ),
    "a transition that is needed": (
        np.zeros(3),
        np.where(np.eye(3), 0, -1000)[None],
        np.where(np.eye(3)[[0, 1, 2, 1]], 0, -np.inf),
    ),
    "a state lost by a hair": (
        np.zeros(3),
        STAY,
        np.array([[0.0, -709, -np.inf], [-690, 0, 0], [0, 0, 0], [0, 0, 0]]),
    ),
}


@pytest.mark.few(3)
@pytest.mark.slow
@by_algorithm
@pytest.mark.parametrize("name", UNDERFLOWS)
def test_what_underflows_is_found(name, algorithm):
    chain = UNDERFLOWS[name]
    assert not quick(*chain, algorithm).trusted
    expected = summed(*chain)
    assert np.isfinite(expected[0])
    close(smooth(*chain, algorithm=algorithm), expected, chain)
    close([log_normalizer(*chain, algorithm=algorithm)], expected[:1], chain)


@pytest.mark.slow
def test_what_underflows_between_two_steps_is_found():
    """The third state can neither be reached nor left: only products of matrices see how good it is."""
    emissions = np.zeros((6, 3))
    emissions[2:4] = -345, -354.5, 0
    emissions[4, 2] = -np.inf
    initial = np.array([0, 0, -np.inf])
    chain = initial, STAY, emissions
    assert quick(initial, np.repeat(STAY, 5, 0), emissions, SEQUENTIAL).trusted
    for algorithm in (SEQUENTIAL, ASSOCIATIVE):
        assert not quick(*chain, algorithm).trusted
        close(smooth(*chain, algorithm=algorithm), summed(*chain), chain)


@pytest.mark.slow
def test_filtered_states_are_those_of_the_chain_cut_off():
    for chain in chains(3, 4, shared=False):
        found = filtered(*chain)
        initial, transitions, emissions = chain
        for t in range(4):
            total, states, _ = summed(initial, transitions[:t], emissions[: t + 1])
            if np.isfinite(total):
                close([np.exp(found.log_states[t])], [states[t]], chain)


@pytest.mark.few(3)
@pytest.mark.slow
@by_algorithm
@pytest.mark.parametrize("shared", [True, False])
def test_the_gradient_is_the_marginals(shared, algorithm):
    gradient = jax.jit(jax.value_and_grad(lambda c: log_normalizer(*c, algorithm=algorithm)))
    for chain in chains(3, 4, shared=shared):
        value, (initial, transitions, emissions) = gradient(chain)
        total, states, pairs = summed(*chain)
        close([value, initial, transitions, emissions], [total, states[0], pairs, states], chain)


@pytest.mark.slow
def test_the_gradient_by_parameters_is_that_of_differences():
    x = jnp.array([0.3, -1.0, 2.0, 1.4, 0.1])

    @jax.jit
    def evidence(theta):
        emissions = -0.5 * (x[:, None] - theta[:3]) ** 2
        return log_normalizer(theta[:3], jax.nn.log_softmax(jnp.outer(theta, theta)[:3, :3])[None], emissions)

    theta, direction = jnp.array([-1.0, 0.5, 1.5]), jnp.array([0.2, 1.0, -0.7])
    step = EPS ** (1 / 3)
    difference = (evidence(theta + step * direction) - evidence(theta - step * direction)) / (2 * step)
    slope = jax.jvp(evidence, (theta,), (direction,))[1]
    backward = jax.grad(evidence)(theta) @ direction
    assert abs(slope - backward) < 100 * EPS
    assert abs(slope - difference) < 100 * step**2


@pytest.mark.slow
@pytest.mark.parametrize("shared", [pytest.param(True, marks=pytest.mark.slow), False])
def test_a_batch_is_each_chain_alone(shared):
    batch = chains(3, 4, shared=shared, count=16)
    stacked = [np.stack(tables) for tables in zip(*batch, strict=True)]
    gradients = jax.vmap(jax.grad(log_normalizer, argnums=(0, 1, 2)))(*stacked)
    found = jax.vmap(smooth)(*stacked)
    for i, chain in enumerate(batch):
        total, states, pairs = summed(*chain)
        close([leaf[i] for leaf in found], [total, states, pairs], chain)
        close([leaf[i] for leaf in gradients], [states[0], pairs, states], chain)


@pytest.mark.slow
def test_impossible_evidence_has_zero_gradient():
    possible = np.zeros(3), np.zeros((1, 3, 3)), np.zeros((4, 3))
    for place, index in [(0, ...), (1, ...), (2, 0), (2, 1), (2, 3)]:
        chain = [table.copy() for table in possible]
        chain[place][index] = -np.inf
        value, gradient = jax.value_and_grad(lambda c: log_normalizer(*c))(chain)
        assert np.isneginf(value)
        assert all((leaf == 0).all() for leaf in gradient)
        assert not any(np.isnan(leaf).any() for leaf in quick(*chain, SEQUENTIAL))
        assert all(np.isfinite(leaf).all() for leaf in smooth(*chain)[1:])
        assert np.isneginf(most_probable(*chain).log_prob)
        assert set(np.array(sample(0, *chain))) <= {0, 1, 2}


def test_nan_is_not_hidden():
    assert np.isnan(log_normalizer(np.zeros(3), np.zeros((1, 3, 3)), np.eye(4, 3) * np.nan))


@by_algorithm
def test_a_matrix_for_all_steps_is_one_for_each(algorithm):
    initial, transitions, emissions = random_chain(0, 3, 4, shared=True)
    shared = smooth(initial, transitions, emissions, algorithm=algorithm)
    each = smooth(initial, np.repeat(transitions, 3, 0), emissions, algorithm=algorithm)
    close(shared[:2], each[:2], (initial, transitions, emissions))
    close([shared.pairs[0]], [each.pairs.sum(0)], (initial, transitions, emissions))


@pytest.mark.slow
def test_a_row_of_emissions_for_all_steps_is_one_for_each():
    initial, transitions, emissions = random_chain(4, 3, 4, shared=False)
    row = emissions[:1]
    found = jax.value_and_grad(log_normalizer, 2)(initial, transitions, row)
    value, states, _ = summed(initial, transitions, np.repeat(row, 4, 0))
    close(found, [value, states.sum(0, keepdims=True)], (initial, transitions, emissions))


def long_reference(initial, transitions, emissions):
    """Return log Z and the marginals of a long chain, by a loop in NumPy."""
    matrix, weights = np.exp(transitions[0]), np.exp(emissions - emissions.max(1, keepdims=True))
    forward, shares = np.empty_like(weights), np.empty(len(weights))
    message = np.exp(initial)
    for t, weight in enumerate(weights):
        forward[t] = message * weight
        shares[t] = forward[t].sum()
        forward[t] /= shares[t]
        message = forward[t] @ matrix
    states, message = forward.copy(), np.ones_like(initial)
    for t in range(len(weights) - 2, -1, -1):
        message = matrix @ (message * weights[t + 1]) / shares[t + 1]
        states[t] *= message
    return np.log(shares).sum() + emissions.max(1).sum(), states


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_steps", "algorithm"),
    [(99_991, SEQUENTIAL), (100, ASSOCIATIVE)],
    ids=["sequential", "associative"],
)
def test_a_long_chain_is_trusted_and_right(num_steps, algorithm):
    r = np.random.default_rng(1)
    chain = (
        np.log(r.dirichlet(np.ones(4))),
        np.log(r.dirichlet(np.ones(4), (1, 4))),
        -0.5 * (3 * r.normal(size=(num_steps, 1)) - np.arange(4)) ** 2,
    )
    total, states = long_reference(*chain)
    found = quick(*chain, algorithm)
    assert found.trusted
    assert abs(found.log_normalizer / total - 1) < num_steps * EPS
    assert np.isclose(found.pairs.sum(), num_steps - 1, rtol=num_steps * EPS, atol=0)
    np.testing.assert_allclose(found.states, states, atol=400 * EPS, rtol=0)


def stochastic(seed, num_states, kind):
    """Return initial and transition log probabilities of a kind of chain."""
    r = np.random.default_rng(seed)
    kinds = {
        "mixing": r.dirichlet(np.ones(num_states), num_states),
        "sticky": 0.999 * np.eye(num_states) + 0.001 * r.dirichlet(np.ones(num_states), num_states),
        "cycle": np.roll(np.eye(num_states), 1, 1),
        "left to right": 0.98 * np.eye(num_states) + 0.02 * np.eye(num_states, k=1),
        "all equal": np.full((num_states, num_states), 1 / num_states),
        "apart": np.eye(num_states),
    }
    initial = np.eye(num_states)[0] if kind == "left to right" else r.dirichlet(np.ones(num_states))
    with np.errstate(divide="ignore"):
        return np.log(initial), np.log(kinds[kind])[None]


KINDS = ["mixing", "sticky", "cycle", "left to right", "all equal", "apart"]


@pytest.mark.slow
@pytest.mark.parametrize("num_steps", [7, 211])
def test_strides_are_logarithms(num_steps):
    """Lengths are primes, no multiples of strides, and one is below a stride."""
    solve = jax.jit(smoothed_in_logs)
    count = {kind: 0 for kind in KINDS}
    for kind, seed in itertools.product(KINDS, range(4)):
        r = np.random.default_rng(seed)
        emissions = np.where(
            r.uniform(size=(num_steps, 3)) < 0.05, -np.inf, 2 * r.normal(size=(num_steps, 3))
        )
        chain = (*stochastic(seed, 3, kind), emissions)
        expected = solve(*chain)
        count[kind] += np.isfinite(expected[0])
        close(smooth(*chain), expected, chain)
    assert count["mixing"] == count["all equal"] == 4


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
def test_the_most_probable_path_is_the_best_of_all(shape):
    for chain in chains(*shape, shared=False) + chains(*shape, shared=True):
        path, value = most_probable(*chain)
        paths, logs = all_paths(*chain)
        close([value], [logs.max()], chain)
        if np.isfinite(logs.max()):
            close([logs[(paths == np.array(path)).all(1)]], [logs.max()], chain)


@pytest.mark.slow
@pytest.mark.parametrize("shared", [True, False])
def test_random_paths_have_their_probabilities(shared):
    count = 40_000
    for seed in (0, 4, 8):
        chain = random_chain(seed, 3, 4, shared=shared)
        paths, logs = all_paths(*chain)
        probabilities = np.exp(logs - log_sum(logs))
        drawn = jax.vmap(lambda key, c=chain: sample(key, *c))(jax.random.split(jax.random.key(seed), count))
        codes = np.array(drawn) @ 3 ** np.arange(4)[::-1]
        frequencies = np.bincount(codes, minlength=len(paths)) / count
        errors = np.sqrt(probabilities * (1 - probabilities) / count)
        assert (frequencies[probabilities == 0] == 0).all()
        assert (np.abs(frequencies - probabilities) <= 5 * errors + 5 / count).all()


@pytest.mark.slow
def test_a_path_of_one_step_is_drawn():
    drawn = jax.vmap(
        lambda key: sample(key, np.log([0.5, 0.25, 0.25]), np.zeros((0, 3, 3)), np.zeros((1, 3)))
    )
    frequencies = np.bincount(np.array(drawn(jax.random.split(jax.random.key(0), 10_000)))[:, 0]) / 10_000
    assert np.abs(frequencies - [0.5, 0.25, 0.25]).max() < 5 * 0.5 / 100


def largest(jaxpr):
    """Return the most numbers that an array in a jaxpr holds, also within its loops."""
    sizes = [variable.aval.size for equation in jaxpr.eqns for variable in equation.outvars]
    for equation in jaxpr.eqns:
        for value in equation.params.values():
            for inner in value if isinstance(value, tuple) else (value,):
                inner = inner.jaxpr if isinstance(inner, ClosedJaxpr) else inner
                if isinstance(inner, Jaxpr):
                    sizes.append(largest(inner))
    return max(sizes, default=0)


def test_a_shared_matrix_is_never_repeated():
    num_steps, num_states = 504, 5
    emissions = np.zeros((num_steps, num_states))
    for solve in (smooth, jax.grad(log_normalizer, 1), filtered, most_probable, lambda *c: sample(0, *c)):
        one = jax.make_jaxpr(solve)(emissions[0], np.zeros((1, num_states, num_states)), emissions)
        assert largest(one.jaxpr) == num_steps * num_states
    each = jax.make_jaxpr(smooth)(emissions[0], np.zeros((num_steps - 1, num_states, num_states)), emissions)
    assert largest(each.jaxpr) == (num_steps - 1) * num_states**2


@pytest.mark.slow
def test_the_second_call_compiles_nothing():
    chain = random_chain(0, 2, 7, shared=True)
    smooth(*chain)
    before = _smooth._cache_size()
    smooth(*random_chain(1, 2, 7, shared=True))
    assert _smooth._cache_size() == before


@pytest.mark.slow
def test_single_precision_is_kept():
    with Precision.SINGLE.active():
        chain = [table.astype(np.float32) for table in random_chain(0, 3, 4, shared=True, holes=0)]
        gradient = jax.grad(log_normalizer)(*chain)
        found = [*smooth(*chain), *filtered(*chain), most_probable(*chain).log_prob, gradient]
        assert {leaf.dtype for leaf in found} == {np.dtype("float32")}
        expected = summed(*[table.astype(np.float64) for table in chain])[1]
        assert np.abs(found[1] - expected).max() < tolerance(chain) * np.finfo(np.float32).eps / EPS


@pytest.mark.slow
def test_integers_are_taken():
    assert (
        smooth(np.zeros(2, int), np.zeros((1, 2, 2), int), np.zeros((3, 2), int)).states.dtype == np.float64
    )


def test_wrong_shapes_are_named():
    square, rows = np.zeros((1, 2, 2)), np.zeros((4, 2))
    with pytest.raises(ValueError, match=r"Expected initial of shape \(state,\); got \(3, 2\)\. Batch"):
        smooth(np.zeros((3, 2)), square, rows)
    with pytest.raises(ValueError, match=r"transitions of shape \(time - 1, 2, 2\); got \(2, 2\)\. Pass one"):
        smooth(np.zeros(2), square[0], rows)
    with pytest.raises(ValueError, match=r"Expected emissions of shape \(time, 2\); got \(4, 3\)\. Pass one"):
        smooth(np.zeros(2), square, np.zeros((4, 3)))
    with pytest.raises(ValueError, match=r"one fewer than rows of emissions; got 4 and 4\. Pass the trans"):
        most_probable(np.zeros(2), np.zeros((4, 2, 2)), rows)
    with pytest.raises(ValueError, match=r"Expected emissions of shape \(time, 2\); got \(0, 2\)"):
        sample(0, np.zeros(2), square, rows[:0])
