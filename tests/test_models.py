"""Every file of models/ is found here: a new one needs a row in EDGES."""

import dataclasses
import functools
import importlib.util
import itertools
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
from scipy import stats

import probdl as pdl
from probdl.inference.status import InferenceWarning
from probdl.program.datatree import site_variables
from tests.marks import by_name

FOLDER = Path(__file__).parent.parent / "models"
EDGES = {
    "alarm": "LVFAILURE>HISTORY LVEDVOLUME>CVP LVEDVOLUME>PCWP HYPOVOLEMIA>LVEDVOLUME LVFAILURE>LVEDVOLUME "
    "HYPOVOLEMIA>STROKEVOLUME LVFAILURE>STROKEVOLUME ERRLOWOUTPUT>HRBP HR>HRBP ERRCAUTER>HREKG HR>HREKG "
    "ERRCAUTER>HRSAT HR>HRSAT ANAPHYLAXIS>TPR ARTCO2>EXPCO2 VENTLUNG>EXPCO2 INTUBATION>MINVOL "
    "VENTLUNG>MINVOL FIO2>PVSAT VENTALV>PVSAT PVSAT>SAO2 SHUNT>SAO2 PULMEMBOLUS>PAP INTUBATION>SHUNT "
    "PULMEMBOLUS>SHUNT INTUBATION>PRESS KINKEDTUBE>PRESS VENTTUBE>PRESS MINVOLSET>VENTMACH "
    "DISCONNECT>VENTTUBE VENTMACH>VENTTUBE INTUBATION>VENTLUNG KINKEDTUBE>VENTLUNG VENTTUBE>VENTLUNG "
    "INTUBATION>VENTALV VENTLUNG>VENTALV VENTALV>ARTCO2 ARTCO2>CATECHOL INSUFFANESTH>CATECHOL SAO2>CATECHOL "
    "TPR>CATECHOL CATECHOL>HR HR>CO STROKEVOLUME>CO CO>BP TPR>BP",
    "asia": "asia>tub smoke>lung smoke>bronc lung>either tub>either either>xray bronc>dysp either>dysp",
    "autoregression": "alpha>y beta>y sigma>y y>y",
    "banana": "x_1>x_2",
    "bayesian_gaussian_mixture": "more>z share>z mu>y tau>y z>y",
    "bayesian_neural_network": "net/layers[0].weight>fit net/layers[0].bias>fit net/layers[1].weight>fit "
    "net/layers[1].bias>fit fit>y sigma>y",
    "bernoulli_mixture": "weight>z ink>exemplar ink>inked z>inked",
    "car_fuel_gauge": "battery>gauge fuel>gauge",
    "donut": "x>distance distance>ring",
    "eight_schools": "mu>theta tau>theta z>theta theta>y",
    "eight_schools_centred": "mu>theta tau>theta theta>y",
    "factor_analysis": "loading>x mean>x sigma>x z>x",
    "funnel": "v>x",
    "garch": "mu>sigma spread>sigma weight>sigma y>sigma mu>y sigma>y",
    "gaussian_bayes": "position>fix position>depth",
    "gaussian_graph": "grandfather>father father>son mother>son",
    "gaussian_mixture": "low>mu gap>mu weight>z mu>y sigma>y z>y",
    "hidden_markov": "rise>rate transition>z_0 transition>z rate>y z_0>z z>z z>y",
    "hierarchical_regression": "mu>beta tau>beta z>beta beta>y sigma>y",
    "independent_components": "unmixing>source unmixing>x source>x",
    "item_response": "easiness>y ability>y discrimination>y",
    "k_means": "colour>x z>x",
    "latent_class": "weight>z right>y z>y",
    "linear_dynamical_system": "sigma_velocity>x x_0>x x>x x>y sigma_fix>y",
    "linear_regression": "alpha>y beta>y sigma>y",
    "logistic_regression": "alpha>y beta>y",
    "lotka_volterra": "alpha>z beta>z gamma>z delta>z z_0>z z>y sigma>y",
    "markov_switching": "transition>z mean>y rho>y sigma>y z_0>z z>z z>y",
    "medical_screening": "cancer>positive",
    "mixture_of_factor_analysers": "weight>k mean>x loading>x sigma>x k>x z>x",
    "mixture_of_regressions": "weight>z intercept>y slope>y sigma>y z>y",
    "multivariate_mixture": "weight>z mean>x covariance>x z>x",
    "naive_bayes": "frequency>digit ink>inked digit>inked",
    "nile": "sigma_level>x x_0>x x>x x>y sigma_flow>y",
    "poisson_regression": "beta>lambda lambda>y",
    "polynomial_regression": "w>curve curve>y sigma>y",
    "probabilistic_pca": "loading>x mean>x sigma>x z>x",
    "sgld_regression": "alpha>y beta>y",
    "softmax_regression": "b>y w>y",
    "sprinkler": "cloudy>sprinkler cloudy>rain sprinkler>wet rain>wet",
    "two_level_hierarchy": "mu>strength sigma_batch>strength z>strength sigma_cask>content strength>content "
    "content>y sigma_assay>y",
    "vowels": "start>z_0 transition>z letter>y z_0>z z>z z>y",
}
OBSERVED = {
    "alarm": "CVP PCWP HRBP HREKG BP",
    "asia": "asia dysp",
    "banana": "",
    "bernoulli_mixture": "exemplar inked",
    "car_fuel_gauge": "gauge",
    "donut": "",
    "factor_analysis": "x",
    "funnel": "",
    "gaussian_bayes": "fix depth",
    "gaussian_graph": "son",
    "independent_components": "",
    "k_means": "x",
    "medical_screening": "positive",
    "mixture_of_factor_analysers": "x",
    "multivariate_mixture": "x",
    "naive_bayes": "digit inked",
    "probabilistic_pca": "x",
    "sprinkler": "wet",
}
GAUSSIAN = ("gaussian_bayes", "gaussian_graph")
NETWORKS = ("alarm", "asia", "car_fuel_gauge", "medical_screening", "sprinkler")
EXACT = (*NETWORKS, *GAUSSIAN, "naive_bayes")
DISCRETE = {
    *NETWORKS,
    "bayesian_gaussian_mixture",
    "bernoulli_mixture",
    "gaussian_mixture",
    "hidden_markov",
    "k_means",
    "latent_class",
    "markov_switching",
    "mixture_of_factor_analysers",
    "mixture_of_regressions",
    "multivariate_mixture",
    "vowels",
}
FILES = sorted(FOLDER.glob("*.py"))
RUN_IN_A_WHOLE_RUN = ("eight_schools", "bernoulli_mixture")  # .ci/run runs all, by the command line
HEAVY = ("bayesian_neural_network", "lotka_volterra", "sgld_regression")
COMPARED = (*EXACT, "gaussian_mixture", "hidden_markov", "nile")  # with exact numbers, below
NUMBERS = [  # model, what else is observed, which site has which value, and the number of its docstring
    ("medical_screening", {}, {"cancer": 1}, "0.233"),
    ("car_fuel_gauge", {}, {"fuel": 0}, "0.257"),
    ("car_fuel_gauge", {"battery": 0}, {"fuel": 0}, "0.111"),
    ("sprinkler", {}, {"sprinkler": 1}, "0.430"),
    ("sprinkler", {}, {"rain": 1}, "0.708"),
    ("sprinkler", {"rain": 1}, {"sprinkler": 1}, "0.1945"),
    ("asia", {}, {"tub": 0}, "0.088"),
    ("asia", {}, {"lung": 0}, "0.100"),
    ("asia", {}, {"bronc": 0}, "0.811"),
    ("asia", {"smoke": 0}, {"tub": 0}, "0.073"),
    ("asia", {"smoke": 1}, {"tub": 0}, "0.113"),
]


@functools.cache
def load(name):
    spec = importlib.util.spec_from_file_location(f"models.{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_model_has_a_row():
    assert {file.stem for file in FILES} == set(EDGES)


def test_every_model_is_in_the_table_of_the_readme():
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in EDGES if f"[{name}]({name}.py)" not in readme] == []


@pytest.mark.slow
@pytest.mark.parametrize("name", EDGES)
def test_a_model_is_bound_to_its_data_and_its_graph_is_as_stated(name):
    module = load(name)
    model = module.model()
    graph = pdl.graph(model)
    assert {f"{parent}>{child}" for parent, child in graph.edges} == set(EDGES[name].split())
    observed = [site.name for site in model.sites.values() if site.is_observed]
    assert observed == OBSERVED.get(name, "y").split()
    assert module.__doc__
    assert all(np.isfinite(array).all() for array in jax.tree.leaves(module.data()))
    model.check()


@pytest.mark.parametrize("name", EDGES)
def test_a_model_leaves_its_discrete_sites_to_the_plan(name):
    module = load(name)
    discrete = [site.name for site in module.model().sites.values() if site.is_latent and site.is_discrete]
    assert (name in DISCRETE) == bool(discrete)
    assert isinstance(getattr(module, "METHOD", pdl.NUTS()), pdl.Method)
    assert not discrete or isinstance(getattr(module, "METHOD", pdl.EM()), pdl.EM)


@pytest.mark.parametrize("name", EDGES)
def test_without_its_observations_a_model_is_its_own_prior(name):
    module = load(name)
    observed = OBSERVED.get(name, "y").split()
    inputs = {key: value for key, value in module.data().items() if key not in observed}
    model = pdl.Model(module.program, **inputs)
    for site in observed:
        assert model.sites[site].is_latent
        assert model.sites[site].shape == module.model().sites[site].shape


@pytest.mark.few(3)
@pytest.mark.slow
@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY + COMPARED else []) for name in EDGES],
)
def test_the_log_joint_is_finite_at_a_draw_of_the_prior(name):
    model = load(name).model()
    prior = dict(site_variables(model.sample(0, 1)["prior"]))
    values = {site: prior[site].to_numpy().reshape(model.sites[site].shape) for site in model.latents}
    assert np.isfinite(float(model.log_joint(values)))


def shortened(method):
    """Return a method that draws, and warms up for, no more than 20 steps of 2 chains."""
    if isinstance(method, pdl.Marginalized):
        return dataclasses.replace(method, inner=shortened(method.inner))
    counts = {"num_samples": 20, "num_warmup": 20, "num_chains": 2}
    own = {field.name for field in dataclasses.fields(method)}
    return dataclasses.replace(method, **{name: count for name, count in counts.items() if name in own})


@pytest.mark.parametrize("name", by_name(list(EDGES), ("sprinkler",), whole=RUN_IN_A_WHOLE_RUN))
def test_a_short_run_gives_finite_draws(name):
    module = load(name)
    method = getattr(module, "METHOD", None) or pdl.plan(module.model()).method
    assert isinstance(method, pdl.Exact) == (name in EXACT)
    short = shortened(method)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        result = pdl.infer(module.model(), short, key=0, progress=False)
    assert {site for site, _ in site_variables(result.data["posterior"])} >= set(module.model().latents)
    assert (result.log_evidence is not None) == (name in EXACT)
    for site, draws in site_variables(result.data["posterior"]):
        assert np.isfinite(draws.to_numpy()).all(), site


FITTED = (
    "factor_analysis",
    "latent_class",
    "markov_switching",
    "mixture_of_factor_analysers",
    "mixture_of_regressions",
    "multivariate_mixture",
    "probabilistic_pca",
    "vowels",
)


@pytest.mark.parametrize("name", by_name(FITTED, whole=("latent_class", "probabilistic_pca")))
def test_the_log_likelihood_of_a_docstring_is_that_of_a_fit(name):
    module = load(name)
    found = pdl.infer(module.model(), module.METHOD, key=0, progress=False)
    assert found.status is pdl.Status.OK
    assert f"{found.data.attrs['objective']:.3f}" in module.__doc__


def enumerated(model, fixed=None):
    """Return all values of latents that are 0 or 1, with exp(log_joint) of each; the others are fixed."""
    fixed = fixed or {}
    shapes = {name: model.sites[name].shape for name in model.latents if name not in fixed}
    sizes = [int(np.prod(shape)) for shape in shapes.values()]
    rows = np.array(list(itertools.product((0, 1), repeat=sum(sizes))))
    parts = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    values = {name: part.reshape(-1, *shapes[name]) for name, part in zip(shapes, parts, strict=True)}
    joint = [model.log_joint({**fixed, **{k: v[i] for k, v in values.items()}}) for i in range(len(rows))]
    return values, np.exp(joint)


def probability(model, site, value):
    """Return p(site = value | observations), summed over everything else."""
    values, joint = enumerated(model)
    return joint[values[site] == value].sum() / joint.sum()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "known", "asked", "expected"), NUMBERS)
def test_a_number_of_a_docstring_is_the_sum_over_all_latents(name, known, asked, expected):
    module = load(name)
    ((site, value),) = asked.items()
    model = module.model().condition(**known)
    found = probability(model, site, value)
    assert f"{found:.{len(expected) - 2}f}" == expected
    assert pdl.exact_posterior(model).probabilities(site)[value] == pytest.approx(found, rel=1e-5)
    assert expected in module.__doc__


@pytest.mark.slow
def test_a_sprinkler_that_is_turned_on_says_nothing_of_the_sky():
    prior = pdl.Model(load("sprinkler").program)
    assert probability(prior.condition(sprinkler=1), "cloudy", 1) == pytest.approx(1 / 6)
    assert probability(prior.do(sprinkler=1), "cloudy", 1) == pytest.approx(1 / 2)
    for model, expected in ((prior.condition(sprinkler=1), 1 / 6), (prior.do(sprinkler=1), 1 / 2)):
        assert pdl.exact_posterior(model).probabilities("cloudy")[1] == pytest.approx(expected)


def test_the_number_of_alarm_is_that_of_the_product_of_its_tables():
    module = load("alarm")
    network, codes = module.program, module.program.codes(**module.MONITORS)
    axis = {name: i for i, name in enumerate(network.variables)}
    factors = []
    for name, table in network.tables.items():
        factors += [table, [axis[parent] for parent in network.parents[name]] + [axis[name]]]
    for name, code in codes.items():
        factors += [np.eye(len(network.states[name]))[code], [axis[name]]]
    weights = np.einsum(*factors, [axis["LVFAILURE"]], optimize="greedy")
    assert f"{weights[0] / weights.sum():.3f}" == "0.701"
    assert network.states["LVFAILURE"][0] == "TRUE"
    posterior = pdl.exact_posterior(module.model())
    np.testing.assert_allclose(posterior.probabilities("LVFAILURE"), weights / weights.sum(), rtol=1e-9)
    assert posterior.log_evidence == pytest.approx(np.log(weights.sum()))


def earthquakes(num_years, rates, transition):
    """Return log p(y) and p(z_t | y) by the forward and backward recursions, each step normalised."""
    likelihood = stats.poisson.pmf(load("hidden_markov").data()["y"][:num_years, None], rates)
    start = np.array([transition[1, 0], transition[0, 1]]) / (transition[1, 0] + transition[0, 1])
    forward, sums, before = [], [], start
    for row in likelihood:
        both = (before @ transition) * row
        sums.append(both.sum())
        forward.append(before := both / both.sum())
    backward = [np.ones(2)]
    for row in likelihood[:0:-1]:
        backward.append(transition @ (row * backward[-1]))
        backward[-1] /= backward[-1].sum()
    marginals = np.array(forward) * np.array(backward[::-1])
    return np.log(sums).sum(), marginals / marginals.sum(1, keepdims=True)


RATES, TRANSITION = np.array([15.472, 26.125]), np.array([[0.934, 0.066], [0.129, 0.871]])


def test_the_sum_over_hidden_paths_is_that_of_the_forward_recursion():
    module = load("hidden_markov")
    years = 8
    known = {"rise": np.diff(RATES, prepend=0), "transition": TRANSITION}
    model = pdl.Model(module.program, module.data()["y"][:years], num_years=years)
    values, joint = enumerated(model, known)
    total, marginals = earthquakes(years, RATES, TRANSITION)
    prior = stats.expon.logpdf(known["rise"], scale=15).sum()  # and 0 for the uniform transitions
    assert np.log(joint.sum()) == pytest.approx(total + prior)
    busy = (joint[:, None] * values["z"]).sum(0) / joint.sum()
    np.testing.assert_allclose(busy, marginals[:, 1], rtol=1e-6)


def test_the_numbers_of_the_earthquakes_are_those_in_print():
    total, marginals = earthquakes(107, RATES, TRANSITION)
    assert f"{total:.3f}" == "-342.318"
    assert [f"{marginals[year - 1900, 1]:.3f}" for year in (1939, 1918)] == ["0.988", "0.385"]
    counts = load("hidden_markov").data()["y"]
    assert counts[39] == counts[18] == 21
    assert f"{stats.poisson.logpmf(counts, counts.mean()).sum():.3f}" == "-391.919"


@pytest.mark.slow
def test_the_chain_of_the_earthquakes_is_summed_out_as_by_the_forward_recursion():
    known = {"rise": np.diff(RATES, prepend=0), "transition": TRANSITION}
    posterior = pdl.exact_posterior(load("hidden_markov").model().condition(**known))
    total, marginals = earthquakes(107, RATES, TRANSITION)
    prior = stats.expon.logpdf(known["rise"], scale=15).sum()  # and 0 for the uniform transitions
    assert posterior.log_evidence == pytest.approx(total + prior, rel=1e-10)
    np.testing.assert_allclose(posterior.probabilities("z"), marginals, rtol=1e-8)


@pytest.mark.slow
def test_the_level_of_the_nile_is_that_of_one_joint_gaussian():
    module, sigmas = load("nile"), np.array([38.33, 122.88])
    flow = module.data()["y"]
    shared = 500**2 + sigmas[0] ** 2 * np.minimum.outer(np.arange(1, 101), np.arange(1, 101))
    covariance = shared + sigmas[1] ** 2 * np.eye(100)
    total = stats.multivariate_normal.logpdf(flow, np.full(100, 1000.0), covariance)
    gain = np.linalg.solve(covariance, shared).T
    mean, variance = 1000 + gain @ (flow - 1000), np.diagonal(shared - gain @ shared)
    posterior = pdl.exact_posterior(module.model().condition(sigma_level=sigmas[0], sigma_flow=sigmas[1]))
    prior = stats.lognorm.logpdf(sigmas, 1, scale=[50, 100]).sum()
    assert posterior.log_evidence == pytest.approx(total + prior, rel=1e-10)
    np.testing.assert_allclose(posterior.mean("x"), mean, rtol=1e-9)
    np.testing.assert_allclose(posterior.variance("x"), variance, rtol=1e-7)
    numbers = f"{total:.3f}", f"{mean[-1]:.1f}", f"{variance[-1] ** 0.5:.1f}"
    assert numbers == ("-639.714", "798.4", "63.5")
    assert all(number in module.__doc__ for number in numbers)


def test_the_waits_of_old_faithful_are_a_mixture():
    module = load("gaussian_mixture")
    wait, (weight, mu, sigma) = (
        module.data()["y"],
        np.array([[0.361, 0.639], [54.615, 80.091], [5.871, 5.868]]),
    )
    assert (len(wait), f"{wait.mean():.3f}", f"{wait.std(ddof=1):.3f}") == (272, "70.897", "13.595")
    joint = weight * stats.norm.pdf(wait[:, None], mu, sigma)
    total, long = np.log(joint.sum(1)).sum(), joint[:, 1] / joint.sum(1)
    known = {"low": mu[0], "gap": np.diff(mu), "weight": weight, "sigma": sigma}
    posterior = pdl.exact_posterior(module.model().condition(**known))
    prior = stats.norm.logpdf(mu[0], 60, 20) + stats.halfnorm.logpdf(np.diff(mu), scale=30).sum()
    prior += stats.halfnorm.logpdf(sigma, scale=10).sum()  # and 0 for the uniform weights
    assert posterior.log_evidence == pytest.approx(total + prior, rel=1e-10)
    np.testing.assert_allclose(posterior.probabilities("z")[:, 1], long, rtol=1e-8)
    one = stats.norm.logpdf(wait, wait.mean(), wait.std()).sum()
    numbers = f"{total:.3f}", f"{one:.3f}", f"{long[wait == 66][0]:.3f}", f"{long[wait == 70][0]:.3f}"
    assert numbers == ("-1034.002", "-1095.289", "0.394", "0.926")
    assert all(number in module.__doc__ for number in numbers)


HEIGHTS = ("grandfather", "father", "mother", "son")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("known", "expected"),
    [({"son": 190.0}, ("183.09", "6.00", "179.60")), ({"son": 190.0, "mother": 175.0}, ("181.21", "178.64"))],
)
def test_the_heights_of_a_family_are_one_gaussian(known, expected):
    module = load("gaussian_graph")
    weights = np.array([[0, 0, 0, 0], [0.5, 0, 0, 0], [0, 0, 0, 0], [0, 0.5, 0.5, 0]])
    paths = np.linalg.inv(np.eye(4) - weights)  # the recursions of the docstring, all nodes at once
    mean = paths @ [176, 88, 163, 6.5]
    covariance = paths @ np.diag(np.square([7, 6, 6.5, 5])) @ paths.T
    seen = [name in known for name in HEIGHTS]
    hidden = np.logical_not(seen)
    values = np.array([known[name] for name in HEIGHTS if name in known])
    gain = np.linalg.solve(covariance[np.ix_(seen, seen)], covariance[np.ix_(seen, hidden)]).T
    after = mean[hidden] + gain @ (values - mean[seen])
    left = covariance[np.ix_(hidden, hidden)] - gain @ covariance[np.ix_(seen, hidden)]
    posterior = pdl.exact_posterior(module.model().condition(**known))
    total = stats.multivariate_normal.logpdf(values, mean[seen], covariance[np.ix_(seen, seen)])
    assert posterior.log_evidence == pytest.approx(total, rel=1e-10)
    for i, name in enumerate(name for name in HEIGHTS if name not in known):
        assert posterior.mean(name) == pytest.approx(after[i], rel=1e-10)
        assert posterior.variance(name) == pytest.approx(left[i, i], rel=1e-8)
    printed = {f"{number:.2f}" for number in (*after[:2], left[1, 1] ** 0.5)}
    assert set(expected) <= printed
    assert all(number in module.__doc__ for number in expected)


@pytest.mark.slow
def test_the_schools_without_a_method_have_no_funnel():
    result = pdl.infer(load("eight_schools_centred").model(), key=0, progress=False)
    diverged = int(result.data["sample_stats"]["diverging"].sum())
    assert diverged < 0.01 * 4000
    assert float(result["tau"].min()) < 0.1


def test_the_posterior_of_naive_bayes_is_known():
    module = load("naive_bayes")
    model, data = module.model(), module.data()
    of = data["digit"] == np.arange(3)[:, None]
    counts, inked = of.sum(1), data["inked"] @ of.T
    rng = np.random.default_rng(0)

    def both(ink, frequency):
        known = stats.beta.logpdf(ink, 1 + inked, 1 + counts - inked).sum()
        known += stats.dirichlet.logpdf(frequency, 1 + counts)
        return known - model.log_joint({"ink": ink, "frequency": frequency})

    first, second = (both(rng.uniform(0.1, 0.9, (64, 3)), rng.dirichlet(np.ones(3))) for _ in range(2))
    assert first == pytest.approx(second)
    mean = (1 + inked) / (2 + counts)
    further = module.data(slice(100, None))
    x = further["inked"].T
    scores = x @ np.log(mean) + (1 - x) @ np.log(1 - mean) + np.log(1 + counts)
    assert f"{100 * np.mean(scores.argmax(1) == further['digit']):.1f}" == "91.8"


def test_the_spreads_of_the_pastes_are_those_in_print():
    y = load("two_level_hierarchy").data()["y"]
    assays = y.var(2, ddof=1).mean()
    casks = 2 * y.mean(2).var(1, ddof=1).mean()
    batches = 6 * y.mean((1, 2)).var(ddof=1)
    spreads = np.sqrt([assays, (casks - assays) / 2, (batches - casks) / 6])
    assert [f"{spread:.3f}" for spread in spreads] == ["0.823", "2.904", "1.287"]
    assert f"{y.mean():.2f}" == "60.05"


@pytest.mark.slow
def test_the_two_level_hierarchy_runs_without_a_finding():
    module = load("two_level_hierarchy")
    result = pdl.infer(module.model(), key=1, progress=False)
    assert not result.findings
    for site, spread in (("sigma_assay", 0.823), ("sigma_cask", 2.904), ("sigma_batch", 1.287)):
        draws = result[site]
        assert abs(float(draws.mean()) - spread) < float(draws.std())


def test_the_sunspots_oscillate_as_least_squares_say():
    module = load("autoregression")
    start, y = module.data().values()
    series = np.concatenate([start[::-1], y])
    past = np.column_stack([np.ones(len(y)), series[1:-1], series[:-2]])
    beta = np.linalg.lstsq(past, y)[0][1:]
    root = np.roots([1, *-beta])[0]
    numbers = f"{beta[0]:.3f}", f"{beta[1]:.3f}", f"{2 * np.pi / abs(np.angle(root)):.2f}"
    assert len(y) == 174
    assert all(number in module.__doc__ for number in numbers)


def test_the_ring_of_the_donut_is_where_its_docstring_says():
    module = load("donut")
    model, distance = module.model(), np.linspace(0, 8, 161)
    weights = distance * np.exp([model.log_joint({"x": [r, 0.0]}) for r in distance])
    mean = (weights * distance).sum() / weights.sum()
    sd = np.sqrt((weights * (distance - mean) ** 2).sum() / weights.sum())
    assert (f"{mean:.3f}", f"{sd:.3f}") == ("3.000", "0.199")
    assert all(number in module.__doc__ for number in ("3.000", "0.199"))


def test_the_variance_of_garch_follows_from_the_past():
    module = load("garch")
    y, (mu, spread, weight) = module.data()["y"], (0.1, 0.9, np.array([0.1, 0.3, 0.6]))
    variance, total = spread**2, 0.0
    for value in y:
        total += stats.norm.logpdf(value, mu, variance**0.5)
        variance = weight @ [spread**2, (value - mu) ** 2, variance]
    prior = stats.norm.logpdf(mu) + stats.halfnorm.logpdf(spread, scale=2) + np.log(2)
    found = module.model().log_joint({"mu": mu, "spread": spread, "weight": weight})
    assert found == pytest.approx(total + prior, rel=1e-10)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "quantities"),
    [
        ("funnel", {"v": (0, 9)}),
        ("banana", {"x_1": (1, 10), "x_2": (11, 240.1)}),
    ],
)
def test_without_a_method_the_hard_densities_are_easy(name, quantities):
    result = pdl.infer(load(name).model(), key=0, progress=False)
    for site, (mean, variance) in quantities.items():
        draws = result[site].to_numpy()
        error = (variance / 1000) ** 0.5
        assert abs(draws.mean() - mean) < 5 * error
