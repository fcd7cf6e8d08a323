"""What is shown of a fit: numbers as they are, and each of them in one place."""

import functools

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl

Y = np.concatenate([np.random.default_rng(0).normal(m, 1, 25) for m in (-3, 3)])


def mixture(y):
    weight = numpyro.param("weight", jnp.array([0.4, 0.6]), constraint=constraints.simplex)
    mean = numpyro.param("mean", jnp.array([[-1.0], [1.0]]))
    scale = numpyro.param("scale", 1.0, constraint=constraints.positive)
    with numpyro.plate("n", len(y)):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        numpyro.sample("y", dist.Normal(mean[z, 0], scale), obs=y)


def level(y):
    drift = numpyro.param("drift", 0.5, constraint=constraints.positive)

    def step(before, seen):
        x = numpyro.sample("x", dist.Normal(before, drift))
        numpyro.sample("y", dist.Normal(x, 1.0), obs=seen)
        return x, None

    scan(step, 0.0, y)


@functools.cache
def fitted(program):
    return pdl.infer(pdl.Model(program, Y), pdl.EM(standard_errors=True, num_samples=3), key=0)


@pytest.mark.slow
def test_the_table_holds_the_parameters_in_the_order_of_the_program_and_nothing_else():
    result = fitted(mixture)
    table = result.summary().table
    assert list(table.index) == ["weight[0]", "weight[1]", "mean[0, 0]", "mean[1, 0]", "scale"]
    values = np.concatenate([np.ravel(value) for value in result.parameters.values()])
    np.testing.assert_array_equal(table["estimate"], values)
    errors = result.data["standard_errors"]
    assert table.loc["scale", "standard_error"] == float(errors["scale"])
    assert f"BIC {result.data.attrs['bic']:.1f}" in str(result.summary())
    assert "data['responsibilities']" in str(result.summary())


@pytest.mark.slow
@pytest.mark.parametrize(("program", "count"), [(mixture, 1 + 3 + 1), (level, 1 + 1 + 1)])
def test_a_picture_has_the_objective_each_parameter_and_each_latent(program, count, tmp_path):
    picture = pdl.plot(fitted(program))
    assert len(picture.figure.axes) == count
    assert picture.savefig(tmp_path / "fit.png").stat().st_size > 0


@pytest.mark.slow
def test_probabilities_are_stacked_to_one_with_the_places_of_a_state_together():
    axes = pdl.plot(fitted(mixture), sites=["z"]).figure.axes[-1]
    low, high = axes.collections
    tops = [np.asarray(part.get_paths()[0].vertices)[:, 1].max() for part in (low, high)]
    assert max(tops) == pytest.approx(1)
    states = fitted(mixture).data["responsibilities"]["z"].to_numpy()
    first = np.sort(states[states.argmax(-1) == 0, 0])[::-1]
    steps = np.asarray(low.get_paths()[0].vertices)
    for place, share in enumerate(first):
        inside = steps[(steps[:, 0] >= place) & (steps[:, 0] <= place + 1), 1]
        assert np.isclose(inside, share).any()


@pytest.mark.slow
def test_sites_are_chosen_by_name():
    picture = pdl.plot(fitted(mixture), sites=["mean"])
    assert len(picture.figure.axes) == 2
    with pytest.raises(pdl.SiteNotFound, match="'meen' .*|'meen'"):
        pdl.plot(fitted(mixture), sites=["meen"])
    limited = pdl.plot(fitted(mixture), panels=1)
    assert any("Not shown: mean, scale" in text.get_text() for text in limited.figure.texts)


@pytest.mark.slow
@pytest.mark.parametrize("program", [mixture, level])
def test_a_fit_that_was_loaded_is_a_fit(program, tmp_path):
    result = fitted(program)
    result.save(tmp_path / "fit.nc")
    loaded = pdl.Result.load(tmp_path / "fit.nc")
    assert list(loaded.parameters) == list(result.parameters)
    for name, value in result.parameters.items():
        np.testing.assert_array_equal(loaded.parameters[name], value)
    np.testing.assert_array_equal(loaded.objective, result.objective)
    assert loaded.findings == result.findings
    assert str(loaded.summary()) == str(result.summary())
    pictures = [pdl.plot(fit).figure.axes for fit in (result, loaded)]
    assert [len(axes.lines) + len(axes.collections) for axes in pictures[0]] == [
        len(axes.lines) + len(axes.collections) for axes in pictures[1]
    ]


@pytest.mark.slow
def test_states_have_their_own_names_and_one_place_is_drawn():
    def program(y):
        mean = numpyro.param("mean", jnp.array([-1.0, 1.0]))
        shift = numpyro.sample("shift", dist.Normal(0, 1).expand([3]).to_event(1))
        with numpyro.plate("n", len(y)):
            z = numpyro.sample("z", dist.DiscreteUniform(1, 2))
            numpyro.sample("y", dist.Normal(mean[z - 1] + shift.sum(), 1.0), obs=y)

    found = pdl.infer(pdl.Model(program, Y[::10]), pdl.EM(), key=0)
    *_, states, place = pdl.plot(found, sites=["z", "shift"]).figure.axes
    assert [text.get_text() for text in states.get_legend().get_texts()] == ["1", "2"]
    assert len(place.containers) == 1
