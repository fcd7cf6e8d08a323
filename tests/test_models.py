"""Every file of models/ is found here: a new one needs a row in EDGES."""

import dataclasses
import importlib.util
import warnings
from pathlib import Path

import numpy as np
import pytest

import probdl as pdl
from probdl.inference.status import InferenceWarning
from probdl.program.datatree import site_variables

FOLDER = Path(__file__).parent.parent / "models"
EDGES = {
    "bayesian_neural_network": "net/layers[0].weight>fit net/layers[0].bias>fit net/layers[1].weight>fit "
    "net/layers[1].bias>fit fit>y sigma>y",
    "eight_schools": "mu>theta tau>theta z>theta theta>y",
    "eight_schools_centred": "mu>theta tau>theta theta>y",
    "hierarchical_regression": "mu>beta tau>beta z>beta beta>y sigma>y",
    "item_response": "easiness>y ability>y discrimination>y",
    "linear_regression": "alpha>y beta>y sigma>y",
    "logistic_regression": "alpha>y beta>y",
    "lotka_volterra": "alpha>z beta>z gamma>z delta>z z_0>z z>y sigma>y",
    "nile": "sigma_level>x x_0>x z>x x>x x>y sigma_flow>y",
    "poisson_regression": "beta>lambda lambda>y",
    "polynomial_regression": "w>curve curve>y sigma>y",
    "softmax_regression": "b>y w>y",
}
FILES = sorted(FOLDER.glob("*.py"))
HEAVY = ("bayesian_neural_network", "lotka_volterra")


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


@pytest.mark.parametrize("name", EDGES)
def test_a_model_is_bound_to_its_data_and_its_graph_is_as_stated(name):
    module = load(name)
    model = module.model()
    graph = pdl.graph(model)
    assert {f"{parent}>{child}" for parent, child in graph.edges} == set(EDGES[name].split())
    assert [site.name for site in model.sites.values() if site.is_observed] == ["y"]
    assert module.__doc__
    assert all(np.isfinite(array).all() for array in module.data().values())
    assert isinstance(getattr(module, "METHOD", pdl.NUTS()), pdl.Method)
    model.check()


@pytest.mark.parametrize("name", EDGES)
def test_without_its_observations_a_model_is_its_own_prior(name):
    module = load(name)
    inputs = {key: value for key, value in module.data().items() if key != "y"}
    model = pdl.Model(module.program, **inputs)
    assert model.sites["y"].is_latent
    assert model.sites["y"].shape == module.model().sites["y"].shape


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[pytest.mark.slow] if name in HEAVY else []) for name in EDGES]
)
def test_the_log_joint_is_finite_at_a_draw_of_the_prior(name):
    model = load(name).model()
    prior = dict(site_variables(model.sample(0, 1)["prior"]))
    values = {site: prior[site].to_numpy().reshape(model.sites[site].shape) for site in model.latents}
    assert np.isfinite(float(model.log_joint(values)))


@pytest.mark.slow
@pytest.mark.parametrize("name", EDGES)
def test_a_short_run_gives_finite_draws(name):
    module = load(name)
    method = getattr(module, "METHOD", pdl.NUTS())
    short = dataclasses.replace(method, num_samples=20, num_warmup=20, num_chains=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)
        result = pdl.infer(module.model(), short, key=0)
    for site, draws in site_variables(result.data["posterior"]):
        assert np.isfinite(draws.to_numpy()).all(), site
