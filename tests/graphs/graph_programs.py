"""Programs with their true graphs: the acceptance cases of the graph reader.

`CASES[name]()` gives a dict: `model` (the NumPyro program), `args`, `kwargs`, `edges` (the true set of direct
(parent, child) edges over the declared sites: sample, deterministic, factor and param), `plates`
(plate name -> set of sites in it, or None where not checked), `full` (plates crossed by an edge, or None).
Edges the value of which cannot matter (`0 * b`, `zeros_like(b)`) are not edges.
`edges == "eqx"`: every random site of the network is a parent of y, and nothing else is.
"""

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from jax import lax
from numpyro import handlers
from numpyro.distributions import constraints

CASES = {}


def case(name, note=""):
    def deco(f):
        CASES[name] = f
        return f

    return deco


def C(model, *args, edges, plates=None, full=None, **kw):
    return dict(
        model=model,
        args=args,
        kwargs=kw,
        edges=edges if edges == "eqx" else set(edges),
        plates=plates,
        full=full,
    )


@case("deterministic_chain", "deterministic between two latents")
def _():
    def m(y=None):
        a = numpyro.sample("a", dist.Normal(0, 1))
        d = numpyro.deterministic("d", jnp.exp(a))
        numpyro.sample("y", dist.Normal(d, 1), obs=y)

    return C(m, 0.3, edges=[("a", "d"), ("d", "y")])


@case("delta_as_deterministic", "sample(Delta(f(a))): NumPyro idiom for a deterministic")
def _():
    def m(y=None):
        a = numpyro.sample("a", dist.Normal(0, 1))
        d = numpyro.sample("d", dist.Delta(jnp.exp(a)))
        numpyro.sample("y", dist.Normal(d, 1), obs=y)

    return C(m, 0.3, edges=[("a", "d"), ("d", "y")])


@case("factor", "potential numpyro.factor on two latents")
def _():
    def m():
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.factor("f", -((a - b) ** 2))

    return C(m, edges=[("a", "f"), ("b", "f")])


@case("scan_latent", "contrib.control_flow.scan state space model")
def _():
    from numpyro.contrib.control_flow import scan

    def m(y):
        q = numpyro.sample("q", dist.HalfNormal(1.0))
        r = numpyro.sample("r", dist.HalfNormal(1.0))

        def step(c, yt):
            x = numpyro.sample("x", dist.Normal(c, q))
            numpyro.sample("y", dist.Normal(x, r), obs=yt)
            return x, None

        scan(step, 0.0, y)

    return C(m, jnp.zeros(6), edges=[("q", "x"), ("x", "x"), ("x", "y"), ("r", "y")])


@case("numpyro_cond", "contrib.control_flow.cond with a sample in each branch")
def _():
    from numpyro.contrib.control_flow import cond

    def m(y=None):
        z = numpyro.sample("z", dist.Normal(0, 1))

        def t(_):
            return numpyro.sample("x", dist.Normal(0.0, 1.0))

        def f(_):
            return numpyro.sample("x", dist.Normal(5.0, 1.0))

        x = cond(z > 0, t, f, None)
        numpyro.sample("y", dist.Normal(x, 1), obs=y)

    return C(m, 0.3, edges=[("z", "x"), ("x", "y")])


@case("lax_cond_two_outputs", "lax.cond with tuple operand/outputs")
def _():
    def m(x, y, w):
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        fa, fb = lax.cond(x > 0, lambda o: (o[0] + 1, o[1] + 1), lambda o: (o[0], o[1]), (a, b))
        numpyro.sample("y", dist.Normal(fa, 1), obs=y)
        numpyro.sample("w", dist.Normal(fb, 1), obs=w)

    return C(m, 1.0, 0.0, 0.0, edges=[("a", "y"), ("b", "w")])


@case("custom_jvp_two_outputs", "jax.custom_jvp over a function with two outputs")
def _():
    @jax.custom_jvp
    def g(a, b):
        return jnp.sin(a), jnp.cos(b)

    g.defjvp(lambda p, t: (g(*p), (jnp.cos(p[0]) * t[0], -jnp.sin(p[1]) * t[1])))

    def m(y, w):
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        fa, fb = g(a, b)
        numpyro.sample("y", dist.Normal(fa, 1), obs=y)
        numpyro.sample("w", dist.Normal(fb, 1), obs=w)

    return C(m, 0.0, 0.0, edges=[("a", "y"), ("b", "w")])


@case("stack_then_index", "locs = stack([a,b]); y1 uses locs[0], y2 uses locs[1]")
def _():
    def m(y1, y2):
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        loc = jnp.stack([a, b])
        numpyro.sample("y1", dist.Normal(loc[0], 1), obs=y1)
        numpyro.sample("y2", dist.Normal(loc[1], 1), obs=y2)

    return C(m, 0.0, 0.0, edges=[("a", "y1"), ("b", "y2")])


@case("multiply_by_zero", "mathematically vacuous edge 0*b")
def _():
    def m(y):
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(a + 0 * b, 1), obs=y)

    return C(m, 0.0, edges=[("a", "y")])


@case("plate_subsample", "subsampled plate")
def _():
    def m(x, y):
        w = numpyro.sample("w", dist.Normal(0, 1))
        s = numpyro.sample("s", dist.HalfNormal(1))
        with numpyro.plate("N", len(y), subsample_size=10):
            xb = numpyro.subsample(x, event_dim=0)
            yb = numpyro.subsample(y, event_dim=0)
            numpyro.sample("y", dist.Normal(xb * w, s), obs=yb)

    return C(m, jnp.ones(100), jnp.ones(100), edges=[("w", "y"), ("s", "y")], plates={"N": {"y"}})


@case("crossed_plates_irt", "item response: students x questions")
def _():
    def m(y):
        S = numpyro.plate("S", 3, dim=-2)
        Q = numpyro.plate("Q", 4, dim=-1)
        with S:
            th = numpyro.sample("th", dist.Normal(0, 1))
        with Q:
            d = numpyro.sample("d", dist.Normal(0, 1))
        with S, Q:
            numpyro.sample("y", dist.Bernoulli(logits=th - d), obs=y)

    return C(
        m, jnp.zeros((3, 4)), edges=[("th", "y"), ("d", "y")], plates={"S": {"th", "y"}, "Q": {"d", "y"}}
    )


@case("plate_same_members", "two nested plates containing exactly the same sites")
def _():
    def m(y):
        with numpyro.plate("A", 2, dim=-2), numpyro.plate("B", 3, dim=-1):
            a = numpyro.sample("a", dist.Normal(0, 1))
            numpyro.sample("y", dist.Normal(a, 1), obs=y)

    return C(m, jnp.zeros((2, 3)), edges=[("a", "y")], plates={"A": {"a", "y"}, "B": {"a", "y"}})


@case("plate_gather", "child in another plate gathers its parent by index")
def _():
    def m(g, y):
        with numpyro.plate("G", 3):
            a = numpyro.sample("a", dist.Normal(0, 1))
        with numpyro.plate("N", len(y)):
            numpyro.sample("y", dist.Normal(a[g], 1), obs=y)

    return C(m, jnp.array([0, 0, 1, 2, 2]), jnp.zeros(5), edges=[("a", "y")], plates={"G": {"a"}, "N": {"y"}})


@case("improper_dynamic_support", "ImproperUniform whose *support* depends on a latent")
def _():
    def m(y):
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.ImproperUniform(constraints.greater_than(a), (), ()))
        numpyro.sample("y", dist.Normal(b, 1), obs=y)

    return C(m, 0.0, edges=[("a", "b"), ("b", "y")])


@case("mask_false_latent", "`.mask(False)` latent (imputation tutorial idiom): log-density is constant")
def _():
    def m(y):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        x = numpyro.sample("x", dist.Normal(mu, 1).mask(mask=False))
        numpyro.sample("y", dist.Normal(x, 1), obs=y)

    return C(m, 0.0, edges=[("mu", "x"), ("x", "y")])


@case("obs_mask", "sample(..., obs=y, obs_mask=mask)")
def _():
    def m(y, mask):
        mu = numpyro.sample("mu", dist.Normal(0, 1))
        x = numpyro.sample("x", dist.Normal(mu, 1).expand([4]), obs=y, obs_mask=mask)
        numpyro.sample("w", dist.Normal(x, 1), obs=jnp.zeros(4))

    return C(
        m,
        jnp.zeros(4),
        jnp.array([True, True, False, False]),
        edges=[
            ("mu", "x_unobserved"),
            ("mu", "x_observed"),
            ("x_observed", "x"),
            ("x_unobserved", "x"),
            ("x", "w"),
        ],
    )


@case("constant_after_mul_zero_init", "first AR step multiplies p by literal 0.: edge p->y0 is vacuous")
def _():
    def m():
        p = numpyro.sample("p", dist.Normal(0, 1))
        numpyro.sample("y0", dist.Normal(p * 0.0, 1))

    return C(m, edges=[])


@case("lkj", "LKJCholesky + MVN")
def _():
    def m(y):
        L = numpyro.sample("L", dist.LKJCholesky(3, 2.0))
        s = numpyro.sample("s", dist.HalfNormal(1.0).expand([3]).to_event(1))
        mu = numpyro.sample("mu", dist.Normal(0, 1).expand([3]).to_event(1))
        with numpyro.plate("N", 5):
            numpyro.sample("y", dist.MultivariateNormal(mu, scale_tril=s[:, None] * L), obs=y)

    return C(m, jnp.zeros((5, 3)), edges=[("L", "y"), ("s", "y"), ("mu", "y")], plates={"N": {"y"}})


@case("discrete_enum_gmm", "GMM with explicit Categorical z")
def _():
    def m(y):
        w = numpyro.sample("w", dist.Dirichlet(jnp.ones(3)))
        with numpyro.plate("K", 3):
            mu = numpyro.sample("mu", dist.Normal(0, 5))
        with numpyro.plate("N", 5):
            z = numpyro.sample("z", dist.Categorical(w), infer={"enumerate": "parallel"})
            numpyro.sample("y", dist.Normal(mu[z], 1.0), obs=y)

    return C(
        m, jnp.zeros(5), edges=[("w", "z"), ("mu", "y"), ("z", "y")], plates={"K": {"mu"}, "N": {"z", "y"}}
    )


@case(
    "do",
    "handlers.do on the middle of a chain: a->b is kept for the fresh b, b's intervention value cuts b->c",
)
def _():
    def m():
        a = numpyro.sample("a", dist.Normal(0, 1))
        b = numpyro.sample("b", dist.Normal(a, 1))
        numpyro.sample("c", dist.Normal(b, 1))

    return C(handlers.do(m, {"b": 1.0}), edges=[("a", "b")])


@case("jnp_boolean_index", "data indexed by a jnp boolean mask (runs fine eagerly)")
def _():
    def m(x, y, mask):
        a = numpyro.sample("a", dist.Normal(0, 1))
        xo, yo = x[mask], y[mask]
        with numpyro.plate("N", len(yo)):
            numpyro.sample("y", dist.Normal(a * xo, 1), obs=yo)

    return C(
        m,
        jnp.ones(4),
        jnp.zeros(4),
        jnp.array([True, False, True, True]),
        edges=[("a", "y")],
        plates={"N": {"y"}},
    )


@case("numpy_on_latent", "np.* called on a latent (works eagerly)")
def _():
    def m(y):
        a = numpyro.sample("a", dist.Normal(0, 1))
        numpyro.sample("y", dist.Normal(np.exp(a), 1), obs=y)

    return C(m, 0.0, edges=[("a", "y")])


@case("random_nnx_module", "Bayesian nnx MLP")
def _():
    from flax import nnx
    from numpyro.contrib.module import random_nnx_module

    def m(x, y):
        class MLP(nnx.Module):
            def __init__(s, rngs):
                s.l1 = nnx.Linear(2, 4, rngs=rngs)
                s.l2 = nnx.Linear(4, 1, rngs=rngs)

            def __call__(s, x):
                return s.l2(nnx.tanh(s.l1(x)))

        net = random_nnx_module("net", MLP(nnx.Rngs(0)), prior=dist.Normal(0, 1))
        with numpyro.plate("N", len(y)):
            numpyro.sample("y", dist.Normal(net(x)[:, 0], 1), obs=y)

    return C(
        m,
        jnp.ones((5, 2)),
        jnp.zeros(5),
        edges=[(f"net/{layer}.{p}", "y") for layer in ("l1", "l2") for p in ("kernel", "bias")],
        plates={"N": {"y"}},
    )


@case("random_eqx_module", "Bayesian equinox MLP")
def _():
    import equinox as eqx
    from numpyro.contrib.module import random_eqx_module

    def m(x, y):
        net = random_eqx_module("net", eqx.nn.MLP(2, 1, 4, 1, key=jax.random.key(0)), prior=dist.Normal(0, 1))
        with numpyro.plate("N", len(y)):
            numpyro.sample("y", dist.Normal(jax.vmap(net)(x)[:, 0], 1), obs=y)

    return C(m, jnp.ones((5, 2)), jnp.zeros(5), edges="eqx", plates={"N": {"y"}})


@case("diffrax_ode", "diffrax ODE with two uncoupled states and parameters")
def _():
    import diffrax as dfx

    def m(y, w):
        a = numpyro.sample("a", dist.LogNormal(0, 1))
        b = numpyro.sample("b", dist.LogNormal(0, 1))
        sol = dfx.diffeqsolve(
            dfx.ODETerm(lambda t, u, p: (-p[0] * u[0], -p[1] * u[1])),
            dfx.Tsit5(),
            0.0,
            1.0,
            0.1,
            (jnp.array(1.0), jnp.array(1.0)),
            args=(a, b),
            saveat=dfx.SaveAt(t1=True),
            stepsize_controller=dfx.ConstantStepSize(),
        )
        numpyro.sample("y", dist.Normal(sol.ys[0][0], 0.1), obs=y)
        numpyro.sample("w", dist.Normal(sol.ys[1][0], 0.1), obs=w)

    return C(m, 0.3, 0.3, edges=[("a", "y"), ("b", "w")])


@case(
    "vectorised_markov",
    "x vector latent, y1 reads x[:-1], y2 reads x[1:] of independent coordinates u,v concatenated",
)
def _():
    def m(y1, y2):
        u = numpyro.sample("u", dist.Normal(jnp.zeros(3), 1).to_event(1))
        v = numpyro.sample("v", dist.Normal(jnp.zeros(3), 1).to_event(1))
        x = jnp.concatenate([u, v])
        numpyro.sample("y1", dist.Normal(x[:3], 1).to_event(1), obs=y1)
        numpyro.sample("y2", dist.Normal(x[3:], 1).to_event(1), obs=y2)

    return C(m, jnp.zeros(3), jnp.zeros(3), edges=[("u", "y1"), ("v", "y2")])


@case("flax_batchnorm_mutable", "flax_module with BatchNorm mutable state")
def _():
    from flax import linen as nn
    from numpyro.contrib.module import flax_module

    class Net(nn.Module):
        @nn.compact
        def __call__(s, x):
            return nn.Dense(1)(nn.BatchNorm(use_running_average=False)(x))

    def m(x, y):
        net = flax_module("net", Net(), mutable=["batch_stats"], input_shape=(5, 2))
        numpyro.sample("y", dist.Normal(net(x)[:, 0], 1).to_event(1), obs=y)

    return C(m, jnp.ones((5, 2)), jnp.zeros(5), edges=[("net$params", "y")])


@case("gaussian_random_walk", "GaussianRandomWalk latent + Poisson")
def _():
    def m(y):
        s = numpyro.sample("s", dist.Exponential(1.0))
        x = numpyro.sample("x", dist.GaussianRandomWalk(s, 5))
        numpyro.sample("y", dist.Poisson(jnp.exp(x)).to_event(1), obs=y)

    return C(m, jnp.zeros(5, int), edges=[("s", "x"), ("x", "y")])
