"""The posterior of a Bayesian network as another network."""

import numpy as np
import pytest

import probdl as pdl

TWO = ("yes", "no")
RNG = np.random.default_rng(0)
PARENTS = {"season": (), "rain": ("season",), "hose": ("season",), "wet": ("rain", "hose"), "slip": ("wet",)}


def network():
    states = dict.fromkeys(PARENTS, TWO) | {"season": ("spring", "summer", "autumn")}
    shapes = {n: tuple(len(states[a]) for a in (*p, n)) for n, p in PARENTS.items()}
    tables = {n: RNG.dirichlet(np.ones(shape[-1]), shape[:-1]) for n, shape in shapes.items()}
    return pdl.BayesianNetwork(states, PARENTS, tables)


NETWORK = network()
ABOVE = ("season", "rain", "hose")


def probability(codes):
    found = 1.0
    for name, parents in PARENTS.items():
        found *= NETWORK.tables[name][tuple(codes[a] for a in (*parents, name))]
    return found


def wet_given(season, rain, hose, wet):
    return NETWORK.tables["wet"][rain, hose, wet]


@pytest.fixture
def monday():
    return pdl.exact_posterior(pdl.Model(NETWORK).condition(wet=0))


@pytest.mark.parametrize("names", [(), ABOVE])
def test_two_batches_of_evidence_are_the_evidence_of_both(monday, names):
    tuesday = pdl.exact_posterior(pdl.updated(pdl.Model(NETWORK).condition(wet=1), monday, *names))
    prior = np.zeros((3, 2, 2))
    for index in np.ndindex(prior.shape):
        codes = dict(zip(ABOVE, index, strict=True))
        season, rain, hose = index
        prior[index] = (
            NETWORK.tables["season"][season]
            * NETWORK.tables["rain"][season, rain]
            * NETWORK.tables["hose"][season, hose]
            * wet_given(**codes, wet=0)
            * wet_given(**codes, wet=1)
        )
    np.testing.assert_allclose(monday.log_evidence + tuesday.log_evidence, np.log(prior.sum()), rtol=1e-12)
    np.testing.assert_allclose(tuesday.joint(*ABOVE), prior / prior.sum(), rtol=1e-12)


def test_without_new_evidence_it_is_the_old_posterior(monday):
    after = pdl.exact_posterior(pdl.updated(pdl.Model(NETWORK), monday))
    np.testing.assert_allclose(after.joint(*ABOVE), monday.joint(*ABOVE), rtol=1e-12)
    assert after.network.parents["slip"] == ("wet",)


def test_parents_that_do_not_matter_are_left_out():
    rained = pdl.exact_posterior(pdl.Model(NETWORK).condition(rain=0))
    found = pdl.updated(pdl.Model(NETWORK), rained, "season", "hose", "wet").program
    assert found.parents["season"] == ()
    assert found.parents["hose"] == ("season",)
    assert found.parents["wet"] == ("hose",)


def test_evidence_by_name_of_a_state_and_tables_as_data_stay(monday):
    model = pdl.Model(NETWORK, dict(NETWORK.tables)).condition(wet=1).do(hose=1)
    with pytest.raises(pdl.SiteNotFound, match="Expected a latent site in updated; got 'hose'"):
        pdl.updated(model, monday)
    found = pdl.updated(pdl.Model(NETWORK, dict(NETWORK.tables)).condition(wet=1), monday)
    other = pdl.updated(pdl.Model(NETWORK).condition(wet=1), monday)
    assert found.args
    assert pdl.exact_posterior(found).log_evidence == pdl.exact_posterior(other).log_evidence


def test_a_third_batch_follows_the_second(monday):
    tuesday = pdl.exact_posterior(pdl.updated(pdl.Model(NETWORK).condition(wet=0), monday))
    third = pdl.exact_posterior(pdl.updated(pdl.Model(NETWORK).condition(wet=1), tuesday))
    weights = np.zeros((3, 2, 2))
    for season, rain, hose in np.ndindex(weights.shape):
        given = NETWORK.tables["season"][season] * NETWORK.tables["rain"][season, rain]
        given *= NETWORK.tables["hose"][season, hose]
        weights[season, rain, hose] = given * np.prod(NETWORK.tables["wet"][rain, hose][[0, 0, 1]])
    np.testing.assert_allclose(third.joint(*ABOVE), weights / weights.sum(), rtol=1e-12)


def plain(y):
    del y


REFUSED = {
    "a part": (
        pdl.Model(NETWORK),
        ("rain",),
        pdl.NotApplicable,
        "'season' is above the old evidence or what is named.*Name it as well",
    ),
    "evidence": (pdl.Model(NETWORK), ("wet",), pdl.SiteNotFound, "a latent site in updated; got 'wet'"),
    "misspelt": (pdl.Model(NETWORK), ("rian",), pdl.SiteNotFound, "got 'rian'. Did you mean 'rain'"),
    "another program": (
        pdl.Model(plain, 1.0),
        (),
        pdl.NotApplicable,
        "the model is no network of the same variables. Take a Model of that network",
    ),
}


@pytest.mark.parametrize(("model", "names", "error", "text"), REFUSED.values(), ids=REFUSED.keys())
def test_is_refused(monday, model, names, error, text):
    with pytest.raises(error, match=text):
        pdl.updated(model, monday, *names)
