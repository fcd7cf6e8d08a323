"""What a scan carries where it depends on no latent: the elements that are read, against a loop in Python."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.graphs.read import edges_of

STATES = 5
SEEN = np.array([0, 2, 1, 4, 2, 0, 3])


def carried(y, start, way, *, reverse=False):
    with numpyro.plate("state", STATES):
        rows = numpyro.sample("rows", dist.Dirichlet(jnp.ones(STATES)))

    def step(carry, y_t):
        now, after = way(carry, y_t)
        numpyro.sample("y", dist.Categorical(rows[now]), obs=y_t)
        return after, None

    scan(step, start, y, reverse=reverse)


def by_hand(y, start, way, *, reverse=False):
    carry, found = start, np.zeros(len(y), int)
    for t in reversed(range(len(y))) if reverse else range(len(y)):
        now, carry = way(carry, y[t])
        found[t] = now
    return found


WAYS = {
    "last label": (0, lambda z, y: (z, y)),
    "label before the last": ((3, 1), lambda z, y: (z[0], (z[1], y))),
    "counter": (0, lambda t, y: (t, (2 * t + 1) % STATES)),
    "running sum of labels": (1, lambda s, y: ((s + y) % STATES, (s + y) % STATES)),
    "state of a machine": ((0, 2), lambda c, y: (c[0], ((c[0] + c[1]) % STATES, (c[1] * 2 + y) % STATES))),
}


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", WAYS)
def test_labels_that_are_known_say_what_is_read(name, reverse):
    start, way = WAYS[name]
    reads = edges_of(pdl.Model(carried, SEEN, start, way, reverse=reverse), latent_only=True)
    assert set(reads) == {("rows", "y")}
    (read,) = reads["rows", "y"]
    expected = by_hand(SEEN, start, way, reverse=reverse)
    np.testing.assert_array_equal(np.broadcast_to(read.positions["state"], SEEN.shape), expected)


def test_labels_that_are_latent_may_read_everything():
    def program(y):
        with numpyro.plate("state", STATES):
            rows = numpyro.sample("rows", dist.Dirichlet(jnp.ones(STATES)))

        def step(z, y_t):
            z = numpyro.sample("z", dist.Categorical(rows[z]))
            numpyro.sample("y", dist.Normal(z, 1.0), obs=y_t)
            return z, None

        scan(step, 0, y)

    reads = edges_of(pdl.Model(program, SEEN * 1.0), latent_only=True)
    assert all(read.positions["state"] is None for read in reads["rows", "z"])


@pytest.mark.slow
def test_rows_that_observed_labels_read_have_an_exact_posterior():
    start, way = WAYS["last label"]
    posterior = pdl.exact_posterior(pdl.Model(carried, SEEN, start, way))
    counts = np.zeros((STATES, STATES))
    np.add.at(counts, (by_hand(SEEN, start, way), SEEN), 1)
    mean = (1 + counts) / (STATES + counts.sum(1, keepdims=True))
    np.testing.assert_allclose(posterior.mean("rows"), mean, rtol=1e-9)
