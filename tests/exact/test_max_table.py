"""How large a table may become, of programs and of networks: what is refused, and what is held in turn."""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest

import probdl as pdl
from tests.exact.test_network_posterior import grid


def causes(count, *, plate=False):
    """A normal whose mean is the sum of some coins, which its potential reads all at once."""

    def program():
        if plate:
            with numpyro.plate("n", 3):
                coins = [numpyro.sample(f"c{i}", dist.Bernoulli(0.3)) for i in range(count)]
                numpyro.sample("y", dist.Normal(1.0 * sum(coins), 1.0), obs=jnp.ones(3))
            return
        coins = [numpyro.sample(f"c{i}", dist.Bernoulli(0.3)) for i in range(count)]
        numpyro.sample("y", dist.Normal(1.0 * sum(coins), 1.0), obs=1.0)

    return pdl.Model(program)


@pytest.mark.slow
def test_what_is_larger_by_default_is_refused_before_it_is_made():
    model = causes(28)
    message = (
        r"over 'c0', .* and 25 more would have 268,435,456 entries, more than max_table=134,217,728: "
        r"observe one of them, or raise max_table\. Observe it\.$"
    )
    with pytest.raises(pdl.NotApplicable, match=message):
        pdl.exact_posterior(model)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("plate", "entries", "end"),
    [(False, 32, "Observe it"), (True, 96, "Observe it, or make its plate smaller")],
)
def test_tables_of_programs_are_bounded(plate, entries, end):
    model = causes(5, plate=plate)
    assert np.isfinite(pdl.exact_posterior(model, max_table=entries).log_evidence)
    message = (
        rf"would have {entries} entries, more than max_table={entries - 1}: .* or raise max_table\. {end}\.$"
    )
    with pytest.raises(pdl.NotApplicable, match=message):
        pdl.exact_posterior(model, max_table=entries - 1)


@pytest.mark.slow
@pytest.mark.parametrize("method", [pdl.Exact, pdl.Elimination])
def test_methods_have_the_same_bound(method):
    model = causes(5)
    assert method(max_table=32).applicable(model) is None
    assert "more than max_table=31: observe one of them" in method(max_table=31).applicable(model)
    with pytest.raises(ValueError, match="Expected max_table to be an integer of at least 1; got 0"):
        method(max_table=0)


def test_what_is_too_large_is_not_marginalised():
    def program():
        scale = numpyro.sample("scale", dist.HalfCauchy(1.0))
        coins = [numpyro.sample(f"c{i}", dist.Bernoulli(0.3)) for i in range(3)]
        numpyro.sample("y", dist.Normal(1.0 * sum(coins), scale), obs=1.0)

    model = pdl.Model(program)
    assert pdl.Marginalized(max_table=8).applicable(model) is None
    assert "max_table=7" in pdl.Marginalized(max_table=7).applicable(model)


def test_a_network_holds_variables_in_turn():
    model = pdl.Model(grid(4)).condition(x33=1)
    whole, held = pdl.exact_posterior(model), pdl.exact_posterior(model, max_table=8)
    assert (whole.cost.runs, held.cost.largest_table) == (1, 8)
    assert held.cost.runs > 1
    assert held.log_evidence == pytest.approx(whole.log_evidence, rel=1e-13)
    for name in whole.network.variables:
        np.testing.assert_allclose(held.probabilities(name), whole.probabilities(name), atol=1e-13)
    assert held.given(x00=1).max_table == 8
    result = pdl.infer(model, pdl.Exact(num_samples=10, max_table=8), key=0)
    assert result.log_evidence == pytest.approx(whole.log_evidence, rel=1e-13)


def test_a_bound_is_positive():
    with pytest.raises(ValueError, match="Expected max_table to be positive; got 0"):
        pdl.exact_posterior(causes(2), max_table=0)
