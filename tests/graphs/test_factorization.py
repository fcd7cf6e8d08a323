"""Factorizations as text, LaTeX and data; their product is the joint density."""

import jax.numpy as jnp
import networkx as nx
import numpy as np
import numpyro
import numpyro.distributions as dist
import pytest
from numpyro.contrib.control_flow import scan

import probdl as pdl
from probdl.graphs.notation import latex_name


def text(program, *args, **kwargs):
    return pdl.factorization(pdl.graph(pdl.Model(program, *args, **kwargs))).text


def schools():
    mu = numpyro.sample("mu", dist.Normal(0, 5))
    tau = numpyro.sample("tau", dist.HalfCauchy(5))
    with numpyro.plate("school", 8):
        theta = numpyro.sample("theta", dist.Normal(mu, tau))
        numpyro.sample("y", dist.Normal(theta, 1))


def allocation():
    with numpyro.plate("topic", 3):
        phi = numpyro.sample("phi", dist.Dirichlet(jnp.ones(5)))
    with numpyro.plate("document", 4):
        theta = numpyro.sample("theta", dist.Dirichlet(jnp.ones(3)))
        with numpyro.plate("word", 6):
            z = numpyro.sample("z", dist.Categorical(theta))
            numpyro.sample("w", dist.Categorical(phi[z]))


def second_order():
    def step(carry, _):
        a, b = carry
        x = numpyro.sample("x", dist.Normal(0.5 * a - 0.3 * b, 1.0))
        numpyro.sample("y", dist.Normal(x, 1.0))
        return (x, a), None

    scan(step, (0.0, 0.0), None, length=5)


def grouped(group):
    with numpyro.plate("county", 3):
        a = numpyro.sample("a", dist.Normal(0, 1))
    with numpyro.plate("house", len(group)):
        numpyro.sample("y", dist.Normal(a[group], 1))


def with_everything():
    w = numpyro.param("w", 1.0)
    a = numpyro.sample("a", dist.Normal(w, 1))
    b = numpyro.deterministic("b", 2 * a)
    numpyro.sample("c", dist.Normal(b, 1))
    numpyro.factor("f", -a)


WRITTEN = {
    "plate": (
        schools,
        (),
        "p(mu, tau, theta, y) = p(mu) p(tau) ∏_s p(theta[s] | mu, tau) p(y[s] | theta[s])",
    ),
    "nested": (
        allocation,
        (),
        "p(phi, theta, z, w) = ∏_t p(phi[t]) ∏_d p(theta[d]) "
        "∏_(d,word) p(z[d,word] | theta[d]) p(w[d,word] | phi, z[d,word])",
    ),
    "two lags": (
        second_order,
        (),
        "p(x, y) = p(x[0]) p(x[1] | x[0]) ∏_(t≥2) p(x[t] | x[t-1], x[t-2]) ∏_t p(y[t] | x[t])",
    ),
    "index": (grouped, (np.array([0, 2, 1, 1]),), "p(a, y) = ∏_c p(a[c]) ∏_h p(y[h] | a[county(h)])"),
    "param, factor": (with_everything, (), "p(a, b, c; w) ∝ p(a; w) δ(b | a) p(c | b) ψ_{f}(a)"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_as_text(name):
    program, args, expected = WRITTEN[name]
    assert text(program, *args) == expected


def test_a_chain_drawn_by_hand_begins_without_a_parent():
    graph = nx.DiGraph(plates={}, scans={"time": 4})
    graph.add_node("z", site=pdl.Site("z", pdl.SiteKind.LATENT, (4,), scan="time", axes=(("time", 0),)))
    graph.add_edge("z", "z", shifted={"time": (-1,)})
    assert pdl.factorization(graph).text == "p(z) = p(z[0]) ∏_(t≥1) p(z[t] | z[t-1])"


def test_a_chain_backward_ends_without_a_parent():
    graph = nx.DiGraph(plates={}, scans={"time": 4})
    graph.add_node("z", site=pdl.Site("z", pdl.SiteKind.LATENT, (4,), scan="time", axes=(("time", 0),)))
    graph.add_edge("z", "z", shifted={"time": (1,)})
    assert pdl.factorization(graph).text == "p(z) = ∏_(t<3) p(z[t] | z[t+1]) p(z[3])"


def test_of_any_graph():
    assert (
        pdl.factorization(nx.DiGraph([("a", "c"), ("b", "c")])).text == "p(a, b, c) = p(a) p(b) p(c | a, b)"
    )
    assert pdl.factorization(nx.DiGraph()).text == "p() = 1"
    assert pdl.factorization(nx.DiGraph([(1, 2)])).text == "p(1, 2) = p(1) p(2 | 1)"


def test_as_latex():
    found = pdl.factorization(pdl.graph(pdl.Model(schools)))
    assert found.latex == (
        r"p(\mu, \tau, \theta, y) = p(\mu)\,p(\tau)\,"
        r"\prod_{s=0}^{7} p({\theta}_{s} \mid \mu, \tau)\,p({y}_{s} \mid {\theta}_{s})"
    )
    assert found._repr_latex_().startswith("$")


def test_do_is_written():
    graph = pdl.graph(pdl.Model(schools).do(tau=1.0))
    assert "p(mu, theta, y | do(tau)) = " in pdl.factorization(graph).text
    assert "p(theta[s] | mu, do(tau))" in pdl.factorization(graph).text


@pytest.mark.parametrize(
    ("name", "latex"),
    [("alpha", r"\alpha"), ("x", "x"), ("weight", r"\mathrm{weight}"), ("sigma_y_2", r"\sigma_{y, 2}")],
)
def test_names(name, latex):
    assert latex_name(name) == latex


def test_names_with_odd_characters_stay_valid():
    assert latex_name("net/w$params") == r"\mathrm{net}/w\$\mathrm{params}"
    assert latex_name("_") == r"\_"
    assert latex_name("sigma^2") == r"\sigma\text{\textasciicircum}2"
    assert latex_name("a\\b") == r"a\backslash b"


def test_a_site_called_z_0_is_not_the_first_element_of_z():
    def program():
        def step(z, _):
            return numpyro.sample("z", dist.Normal(z, 1)), None

        scan(step, numpyro.sample("z_0", dist.Normal(0, 1)), None, length=3)

    latex = pdl.factorization(pdl.graph(pdl.Model(program))).latex
    assert r"p({z}_{t=0} \mid z_{0})" in latex


def test_long_formulas_have_several_lines():
    graph = nx.DiGraph([(f"node_{i}", f"node_{i + 1}") for i in range(20)])
    shown = pdl.factorization(graph)._repr_latex_()
    assert shown.startswith(r"$$\begin{aligned}")
    assert shown.count(r"\\") > 3
    assert max(map(len, shown.split(r"\\")[1:])) < 500


def test_the_data_hold_what_the_text_says():
    found = pdl.factorization(pdl.graph(pdl.Model(schools)))
    theta = next(factor for factor in found.factors if factor.child.node == "theta")
    assert [term.node for term in theta.parents] == ["mu", "tau"]
    assert [(r.axis, r.start, r.stop) for r in theta.ranges] == [("school", 0, 8)]


def test_every_element_has_one_factor():
    """The ranges of the factors of a site cover its elements once."""
    for program in (schools, allocation, second_order):
        graph = pdl.graph(pdl.Model(program))
        counted = dict.fromkeys(graph, 0)
        for factor in pdl.factorization(graph).factors:
            counted[factor.child.node] += int(np.prod([r.stop - r.start for r in factor.ranges]))
        flat = pdl.unroll(graph)
        assert counted == {n: sum(str(e).partition("[")[0] == n for e in flat) for n in graph}
