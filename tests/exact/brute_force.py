"""Exact answers by force: tables of every assignment, dense Gaussians, quadrature.

They read a model only through its log joint, and share nothing with the engines that they judge.
"""

import functools
import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from numpyro.distributions import biject_to, constraints
from scipy.integrate import quad_vec
from scipy.special import logsumexp

import probdl as pdl
from probdl.program.runs import log_joint

MOST_ROWS = 2**18
CHUNK = 2**13
TINIEST = -45.0  # in nats below the peak: what lies below adds less than the rounding of the integral
FAR = (1.0, -1.0, 7.0, -7.0, 50.0, -50.0)


class Enumerated(NamedTuple):
    """Every assignment of the discrete latents.

    Attributes:
        log_evidence: Log of the sum over the assignments, in nats.
        states: Values of each site's support (states,).
        values: Each assignment, by site (rows, *shape).
        log_joints: Log joint of each assignment (rows,).
    """

    log_evidence: float
    states: dict
    values: dict
    log_joints: np.ndarray

    @property
    def weights(self):
        """Probability of each assignment (rows,)."""
        return np.exp(self.log_joints - self.log_evidence)

    @property
    def marginals(self):
        """Probability of each state of each element, by site (*shape, states)."""
        return {
            name: np.stack([np.tensordot(self.weights, self.values[name] == s, 1) for s in states], -1)
            for name, states in self.states.items()
        }

    def joint(self, *elements):
        """Return the joint table of elements (site, index): one axis an element."""
        table = np.zeros([len(self.states[name]) for name, _ in elements])
        columns = [np.searchsorted(self.states[n], self.values[n][(slice(None), *i)]) for n, i in elements]
        np.add.at(table, tuple(columns), self.weights)
        return table

    def most_probable(self):
        """Return the most probable assignment of all sites, and its log joint."""
        best = int(np.argmax(self.log_joints))
        return {name: value[best] for name, value in self.values.items()}, self.log_joints[best]

    def most_probable_of(self, *elements):
        """Return the states that maximise the joint marginal of elements, and its log probability."""
        table = self.joint(*elements)
        best = np.unravel_index(np.argmax(table), table.shape)
        states = tuple(self.states[n][k] for (n, _), k in zip(elements, best, strict=True))
        return states, np.log(table[best])


class Dense(NamedTuple):
    """A Gaussian posterior.

    Attributes:
        log_evidence: Log integral of the joint, in nats.
        mean: By site (*shape).
        covariance: Of all elements (n, n).
        order: The element (site, index) of each row of the covariance.
    """

    log_evidence: float
    mean: dict
    covariance: np.ndarray
    order: list

    def variance(self, name):
        """Variance of each element of a site (*shape)."""
        rows = [i for i, (site, _) in enumerate(self.order) if site == name]
        return np.diag(self.covariance)[rows].reshape(self.mean[name].shape)


class Mixed(NamedTuple):
    """A mixture of Gaussians, one for each assignment of the discrete latents.

    Attributes:
        log_evidence: Log of the sum over the assignments of the integrals, in nats.
        discrete: The assignments, with the Gaussian sites integrated out.
        gaussian: Mean and covariance of the whole mixture.
        means: Mean of each component (rows, n).
        covariances: Covariance of each component (rows, n, n).
    """

    log_evidence: float
    discrete: Enumerated
    gaussian: Dense
    means: np.ndarray
    covariances: np.ndarray


class Quadrature(NamedTuple):
    """The posterior of one scalar site, all others integrated out.

    Attributes:
        log_evidence: Log integral over everything, in nats.
        mean: Posterior mean of the site.
        variance: Posterior variance of the site.
        marginals: State probabilities of the discrete sites, by site (*shape, states).
        gaussian_mean: Posterior means of the Gaussian sites, by site (*shape).
        gaussian_second: Posterior E[x x'] of all Gaussian elements (n, n).
    """

    log_evidence: float
    mean: float
    variance: float
    marginals: dict
    gaussian_mean: dict
    gaussian_second: np.ndarray


def enumerate_discrete(model, fixed=None):
    """Sum over every assignment of the discrete latents; all other latents are in `fixed`."""
    return mixed(model, (), fixed).discrete


def dense_gaussian(model, sites, fixed=None):
    """Integrate real sites in which the log joint is quadratic; all other latents are in `fixed`."""
    found = mixed(model, sites, fixed)
    if found.discrete.states:
        raise ValueError(
            f"Expected values of all latents but {sites}; got none for {list(found.discrete.states)}. "
            f"Fix them, or call mixed."
        )
    return found.gaussian


def mixed(model, gaussian_sites=(), fixed=None):
    """Enumerate the discrete latents, and integrate the Gaussian sites for each assignment."""
    fixed = {name: np.asarray(value) for name, value in (fixed or {}).items()}
    discrete = [n for n in model.latents if model.sites[n].is_discrete and n not in fixed]
    missing = set(model.latents) - set(discrete) - set(gaussian_sites) - set(fixed)
    if missing:
        raise ValueError(f"Expected a way to integrate each latent; got none for {sorted(missing)}. Fix it.")
    model.check()
    states = {name: states_of(model.sites[name]) for name in discrete}
    values = _assignments(states, {name: model.sites[name].shape for name in discrete})
    layout = tuple((name, model.sites[name].shape) for name in gaussian_sites)
    at_zero, gradient, hessian = _quadratics(model, layout, values, fixed)
    log_joints, means, covariances = _integrate(at_zero, gradient, -hessian)
    log_evidence = float(logsumexp(log_joints))
    table = Enumerated(log_evidence, states, values, log_joints)
    return Mixed(log_evidence, table, _mixture(table, layout, means, covariances), means, covariances)


def quadrature(model, site, gaussian_sites=(), fixed=None):
    """Integrate one scalar continuous site by adaptive quadrature, all others exactly for each value."""
    bijection = biject_to(model.sites[site].support)

    def at(z):
        with pdl.Precision.DOUBLE.active():
            x = bijection(jnp.asarray(z))
            log_det = float(bijection.log_abs_det_jacobian(jnp.asarray(z), x))
        found = mixed(model, gaussian_sites, {**(fixed or {}), site: np.asarray(x)})
        return float(x), found.log_evidence + log_det, found

    def log_density(z):
        value = at(z)[1]
        return value if np.isfinite(value) else -np.inf

    grid = np.linspace(-12, 12, 97)
    heights = [log_density(z) for z in grid]
    mode, peak = grid[int(np.argmax(heights))], max(heights)

    def integrand(z):
        x, log_p, found = at(z)
        first = np.concatenate([mean.ravel() for mean in found.gaussian.mean.values()] or [np.zeros(0)])
        parts = [[1.0, x, x**2], *(m.ravel() for m in found.discrete.marginals.values())]
        parts += [first, (found.gaussian.covariance + np.outer(first, first)).ravel()]
        return np.exp(log_p - peak) * np.concatenate(parts)

    low, high = (_edge(log_density, mode, peak, step) for step in (-1.0, 1.0))
    inner = [z for z, height in zip(grid, heights, strict=True) if height > peak - 10 and low < z < high]
    total, _ = quad_vec(integrand, low, high, epsabs=0.0, epsrel=1e-12, norm="max", points=inner)
    mass, first, second, *rest = total
    found = at(mode)[2]
    marginals, rest = _split(np.array(rest) / mass, found.discrete.marginals)
    means, rest = _split(rest, found.gaussian.mean)
    mean = first / mass
    return Quadrature(
        float(np.log(mass) + peak),
        mean,
        second / mass - mean**2,
        marginals,
        means,
        rest.reshape(found.gaussian.covariance.shape),
    )


def by_ratio(model, posterior, num_draws=5):
    """Return log p(y) = log p(x, y) - log p(x | y), which holds at every x if the posterior is right.

    Args:
        model: The model.
        posterior: Its posterior as a model of its own, without data.
        num_draws: Number of values x, drawn from the posterior, at which the ratio must agree.

    Returns:
        The log evidence in nats.

    Raises:
        ValueError: If the ratio varies with x.
    """
    points = prior_draws(posterior, num_draws)
    ratios = np.array([model.log_joint(x) - posterior.log_joint(x) for x in points])
    if np.ptp(ratios) > 1e-9 * (1 + np.abs(ratios).max()):
        raise ValueError(f"Expected the same log evidence at each x; got {ratios}. Correct the posterior.")
    return float(ratios.mean())


def prior_draws(model, num_draws):
    """Return draws of the latents from the prior, each as values by site."""
    draws = model.sample(0, num_draws)["prior"]
    shapes = {name: model.sites[name].shape for name in model.latents}
    return [{n: draws[n].to_numpy()[0, i].reshape(s) for n, s in shapes.items()} for i in range(num_draws)]


def states_of(site):
    """Return the values of a discrete site's finite support, over all of its elements."""
    support = site.support
    while hasattr(support, "base_constraint"):
        support = support.base_constraint
    if support is constraints.boolean:
        return np.arange(2)
    low, high = (getattr(support, bound, None) for bound in ("lower_bound", "upper_bound"))
    if low is None or high is None:
        raise ValueError(f"Expected a finite support of '{site.name}'; got {support}. Fix its value.")
    return np.arange(int(np.min(low)), int(np.max(high)) + 1)


def _assignments(states, shapes):
    sizes = [len(states[name]) for name, shape in shapes.items() for _ in range(math.prod(shape))]
    if math.prod(sizes) > MOST_ROWS:
        raise ValueError(f"Expected at most {MOST_ROWS} assignments; got {math.prod(sizes)}. Take fewer.")
    columns = iter(np.indices(sizes).reshape(len(sizes), math.prod(sizes)))
    values = {}
    for name, shape in shapes.items():
        chosen = [states[name][next(columns)] for _ in range(math.prod(shape))]
        values[name] = np.stack(chosen, -1).reshape(-1, *shape)
    return values


def _quadratics(model, layout, values, fixed):
    """Value (rows,), gradient (rows, n) and Hessian (rows, n, n) of the log joint at zero."""
    rows = len(next(iter(values.values()))) if values else 1
    size = sum(math.prod(shape) for _, shape in layout)
    chunk = min(rows, max(1, CHUNK // (1 + size**2)))
    rng = np.random.default_rng(0)
    direction = rng.uniform(0.5, 1.5, size) * rng.choice([-1, 1], size)
    far = np.stack([scale * direction for scale in FAR])
    found = []
    with pdl.Precision.DOUBLE.active():
        scan_of = model.declarations.scan_of([*values, *fixed, *(name for name, _ in layout)])
        arrays = model.arrays(pdl.Precision.DOUBLE)
        for start in range(0, rows, chunk):
            index = np.minimum(np.arange(start, start + chunk), rows - 1)
            part = {name: value[index] for name, value in values.items()}
            answer = _expand(model.bound[0], scan_of, layout, chunk, arrays, part, fixed, far)
            found.append([np.asarray(a)[: rows - start] for a in answer])
    at_zero, gradient, hessian, at_far = (np.concatenate(parts) for parts in zip(*found, strict=True))
    if layout:
        _check_quadratic(layout, far, at_zero, gradient, hessian, at_far)
    return at_zero, gradient, hessian


@functools.partial(jax.jit, static_argnums=(0, 1, 2, 3))
def _expand(bound, scan_of, layout, rows, arrays, values, fixed, far):
    def unravel(x):
        found, start = {}, 0
        for name, shape in layout:
            found[name] = x[start : start + math.prod(shape)].reshape(shape)
            start += math.prod(shape)
        return found

    def once(discrete):
        def f(x):
            return log_joint(bound, scan_of, arrays, {**fixed, **discrete, **unravel(x)})

        zero = jnp.zeros(far.shape[1])
        if not layout:
            return f(zero), zero, jnp.zeros((0, 0)), jnp.zeros(len(far))
        gradient, push = jax.linearize(jax.grad(f), zero)
        return f(zero), gradient, jax.vmap(push)(jnp.eye(len(zero))), jax.vmap(f)(far)

    return jax.vmap(once, axis_size=rows)(values)


def _check_quadratic(layout, far, at_zero, gradient, hessian, at_far):
    possible = at_zero > -np.inf
    linear, square = far @ gradient.T, np.einsum("pi,rij,pj->pr", far, hessian, far) / 2
    scale = 1 + np.abs(at_zero) + np.abs(linear) + np.abs(square) + np.abs(at_far.T)
    error = np.abs(at_zero + linear + square - at_far.T)
    if not (error <= 1e-9 * scale)[:, possible].all():
        raise ValueError(
            f"Expected a log joint that is quadratic in {[name for name, _ in layout]}; got one that is not, "
            f"by {np.nanmax(error[:, possible]):g} nats. Integrate fewer sites."
        )


def _integrate(at_zero, gradient, precision):
    """Log integrals (rows,), means (rows, n) and covariances (rows, n, n) of exp of the quadratics."""
    impossible = at_zero == -np.inf
    size = gradient.shape[1]
    gradient = np.where(impossible[:, None], 0.0, gradient)
    precision = np.where(impossible[:, None, None], np.eye(size), precision)
    diagonal = np.einsum("rii->ri", precision)
    if size and diagonal.min() <= 0:
        raise ValueError("Expected a proper Gaussian; got a precision with a diagonal that is not positive.")
    unit = 1 / np.sqrt(diagonal)
    scaled = precision * unit[:, :, None] * unit[:, None, :]
    if size and np.linalg.eigvalsh(scaled).min() <= 1e-13:
        raise ValueError("Expected a proper Gaussian; got a precision that is not positive definite.")
    covariances = np.linalg.inv(scaled) * unit[:, :, None] * unit[:, None, :]
    means = unit * np.linalg.solve(scaled, (unit * gradient)[..., None])[..., 0]
    log_det = np.linalg.slogdet(scaled)[1] - 2 * np.log(unit).sum(-1)
    exponent = np.einsum("ri,ri->r", gradient, means) + size * np.log(2 * np.pi) - log_det
    return at_zero + exponent / 2, means, covariances


def _mixture(table, layout, means, covariances):
    weights = table.weights
    mean = weights @ means
    centred = means - mean
    covariance = np.tensordot(weights, covariances, 1) + (centred.T * weights) @ centred
    by_site, _ = _split(mean, {name: np.zeros(shape) for name, shape in layout})
    order = [(name, index) for name, shape in layout for index in np.ndindex(shape)]
    return Dense(table.log_evidence, by_site, covariance, order)


def _split(vector, like):
    """Take arrays of the shapes of `like` off the front of a vector; return them and what is left."""
    found, start = {}, 0
    for name, array in like.items():
        found[name] = vector[start : start + array.size].reshape(array.shape)
        start += array.size
    return found, vector[start:]


def _edge(log_density, mode, peak, step):
    while log_density(mode + step) > peak + TINIEST:
        step *= 1.5
    return mode + step
