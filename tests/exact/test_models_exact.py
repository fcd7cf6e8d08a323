"""Models with Gaussian states, or with classes that are summed out, against formulas and enumeration."""

import itertools

import numpy as np
import pytest
from scipy import special, stats

import probdl as pdl
from tests.test_models import load

ROUNDING = 1e-9  # a million roundings of a double: what sums and inverses of the sizes below may lose


def bayes(prior, a, b, noise, y):
    """Return the posterior mean and covariance of x given y ~ Normal(a x + b, noise), and log p(y)."""
    mean, covariance = prior
    precision, weight = np.linalg.inv(covariance), np.linalg.inv(noise)
    after = np.linalg.inv(precision + a.T @ weight @ a)
    evidence = stats.multivariate_normal.logpdf(y, a @ mean + b, noise + a @ covariance @ a.T)
    return (after @ (a.T @ weight @ (y - b) + precision @ mean), after), evidence


def measurements(module):
    data, slope = module.data(), module.SLOPE[None]
    return {
        "fix": (np.eye(2), np.zeros(2), module.R, data["fix"]),
        "depth": (slope, np.array([20.0]), np.array([[9.0]]), data["depth"][None]),
    }


@pytest.mark.slow
def test_one_measurement_after_the_other_gives_the_posterior_of_all():
    module = load("gaussian_bayes")
    posterior = pdl.exact_posterior(module.model())
    for order in (("fix", "depth"), ("depth", "fix")):
        state, total = (module.MEAN, module.S), 0.0
        for name in order:
            state, evidence = bayes(state, *measurements(module)[name])
            total += evidence
        np.testing.assert_allclose(posterior.mean("position"), state[0], rtol=ROUNDING)
        np.testing.assert_allclose(posterior.variance("position"), np.diag(state[1]), rtol=ROUNDING)
        assert posterior.log_evidence == pytest.approx(total, rel=ROUNDING)


@pytest.mark.slow
def test_a_posterior_predicts_the_next_measurement():
    module = load("gaussian_bayes")
    first, second = (measurements(module)[name] for name in ("fix", "depth"))
    (mean, covariance), evidence = bayes((module.MEAN, module.S), *first)
    a, b, noise, _ = second
    expected, variance = (a @ mean + b).item(), (noise + a @ covariance @ a.T).item()
    posterior = pdl.exact_posterior(pdl.Model(module.program, fix=module.data()["fix"]))
    assert posterior.mean("depth") == pytest.approx(expected, rel=ROUNDING)
    assert posterior.variance("depth") == pytest.approx(variance, rel=ROUNDING)
    (after, left), further = bayes((mean, covariance), *second)
    spreads = (*np.diag(covariance) ** 0.5, variance**0.5, *np.diag(left) ** 0.5)
    numbers = [f"{number:.2f}" for number in (*mean, expected, *after, *spreads)]
    numbers += [f"{-number:.3f}" for number in (evidence, further, evidence + further)]
    assert [number for number in numbers if number not in module.__doc__] == []


def kalman(module, sigma_velocity, sigma_fix):
    """Return log p(y), and means and covariances of all states given all y: filter, then smoother."""
    f, noise = module.F, sigma_velocity**2 * module.Q
    fix_noise = (sigma_fix**2 + module.ROUNDING**2) * np.eye(2)
    seen, mean, covariance, total = np.eye(2, 4), np.zeros(4), module.S, 0.0
    before, after = [], []
    for y in module.data()["y"]:
        mean, covariance = f @ mean, f @ covariance @ f.T + noise
        before.append((mean, covariance))
        (mean, covariance), evidence = bayes((mean, covariance), seen, 0, fix_noise, y)
        after.append((mean, covariance))
        total += evidence
    smoothed = [after[-1]]
    for (mean, covariance), (ahead, spread) in zip(after[-2::-1], before[:0:-1], strict=True):
        gain = np.linalg.solve(spread, f @ covariance).T
        later, known = smoothed[-1]
        smoothed.append((mean + gain @ (later - ahead), covariance + gain @ (known - spread) @ gain.T))
    means, covariances = zip(*smoothed[::-1], strict=True)
    return total, np.array(means), np.array(covariances)


@pytest.mark.slow
def test_the_states_of_a_hurricane_are_those_of_a_filter_and_a_smoother():
    module, sigmas = load("linear_dynamical_system"), (0.045, 0.028)
    total, means, covariances = kalman(module, *sigmas)
    known = dict(zip(("sigma_velocity", "sigma_fix"), sigmas, strict=True))
    posterior = pdl.exact_posterior(module.model().condition(**known))
    prior = stats.lognorm.logpdf(sigmas, 0.5, scale=0.05).sum()
    assert posterior.log_evidence == pytest.approx(total + prior, rel=ROUNDING)
    scale = np.sqrt(np.diagonal(covariances, axis1=1, axis2=2))
    assert np.abs((posterior.mean("x") - means) / scale).max() < 1e3 * ROUNDING
    np.testing.assert_allclose(np.sqrt(posterior.variance("x")), scale, rtol=1e3 * ROUNDING)
    numbers = f"{total:.3f}", f"{means[23, 3]:.3f}", f"{scale[23, 3]:.3f}"
    assert numbers == ("-8.916", "0.274", "0.019")
    assert all(number in module.__doc__ for number in numbers)


def test_the_track_of_the_hurricane_is_that_of_the_report():
    module = load("linear_dynamical_system")
    y, f = module.data()["y"], module.F
    assert y.shape == (31, 2)
    assert np.abs(y[23]).max() < 0.25  # an hour after landfall
    east, north = y[-1] / module.DEGREE
    assert (north + 29.3, east / np.cos(np.radians(40.1)) - 89.6) == pytest.approx((40.1, -82.9))
    assert f"{100 * module.ROUNDING:.1f}" == "3.2"
    halved = np.kron([[1, module.HOURS / 2], [0, 1]], np.eye(2))
    steps = np.array([[module.HOURS**2 / 24, module.HOURS / 8], [module.HOURS / 8, 1 / 2]])
    half = np.kron(steps, np.eye(2))
    np.testing.assert_allclose(halved @ halved, f)
    np.testing.assert_allclose(halved @ half @ halved.T + half, module.Q)


def enumerated(weights, density):
    """Return log p(y), and p(z_n = k | y), as sums over all values of all z; density (n, k) is p(y_n | k)."""
    size, number = density.shape
    choices = np.array(list(itertools.product(range(number), repeat=size)))
    joint = (weights[choices] * density[np.arange(size), choices]).prod(1)
    hit = choices[..., None] == np.arange(number)
    return np.log(joint.sum()), np.tensordot(joint, hit, 1) / joint.sum()


@pytest.mark.slow
def test_the_classes_of_images_are_summed_out_as_by_enumeration():
    module, rng = load("bernoulli_mixture"), np.random.default_rng(0)
    data = module.data()
    inked, exemplar = data["inked"][:, :3], data["exemplar"]
    ink, weight = rng.uniform(0.2, 0.8, (64, 3)), rng.dirichlet(np.ones(3))
    density = np.exp(stats.bernoulli.logpmf(inked.T[:, :, None], ink).sum(1))
    total, classes = enumerated(weight, density)
    total += stats.bernoulli.logpmf(exemplar, ink).sum() + np.log(2)  # the density of uniform weights
    model = pdl.Model(module.program, inked, exemplar, num_images=3).condition(ink=ink, weight=weight)
    posterior = pdl.exact_posterior(model)
    assert posterior.log_evidence == pytest.approx(total, rel=ROUNDING)
    np.testing.assert_allclose(posterior.probabilities("z"), classes, rtol=ROUNDING)


def test_the_digits_that_the_docstring_tells_apart_are_those_of_the_images():
    from sklearn.datasets import load_digits

    module = load("bernoulli_mixture")
    data = module.data()
    digit = load_digits().target
    digit = digit[np.isin(digit, module.DIGITS)]
    named = [np.flatnonzero(digit == one)[: module.NAMED] for one in module.DIGITS]
    of = np.eye(3)[np.searchsorted(module.DIGITS, np.delete(digit, np.concatenate(named))[:60])]
    inked, counts = data["exemplar"].sum(0), np.full(3, module.NAMED)
    found = []
    for ink in ((1 + inked) / (2 + counts), (1 + inked + data["inked"] @ of) / (2 + counts + of.sum(0))):
        log_joint = stats.bernoulli.logpmf(data["inked"].T[:, :, None], ink).sum(1) - np.log(3)
        found.append((special.logsumexp(log_joint, 1).sum(), special.softmax(log_joint, 1)))
    (rough, _), (fine, classes) = found
    assert (classes.argmax(1) == of.argmax(1)).all()
    numbers = f"{fine:.3f}", f"{rough:.3f}", f"{np.floor(1e3 * classes.max(1).min()) / 1e3:.3f}"
    assert numbers == ("-1002.669", "-1355.192", "0.928")
    assert all(number in module.__doc__ for number in numbers)


@pytest.mark.slow
def test_the_number_of_kinds_is_summed_out_as_by_enumeration():
    module = load("bayesian_gaussian_mixture")
    y = module.data()["y"][:4]
    mu, tau, share = np.array([-1.2, 0.7, 0.1]), 5.0, np.array([0.6, 0.2])
    a, b = share
    weights = np.array([[1, 0, 0], [1 - a, a, 0], [(1 - a) * (1 - b), a * (1 - b), b]])
    density = stats.norm.pdf(y[:, None], mu, tau**-0.5)
    parts = [enumerated(row, density) for row in weights]
    likelihood = np.array([total for total, _ in parts])
    more = special.softmax(likelihood)
    kinds = np.tensordot(more, [classes for _, classes in parts], 1)
    prior = stats.norm.logpdf(mu, module.LOC, 0.3).sum() + stats.gamma.logpdf(tau, 2, scale=2)
    prior += stats.beta.logpdf(share, 1, module.REST).sum() - np.log(3)
    model = pdl.Model(module.program, y, num_waits=4).condition(mu=mu, tau=tau, share=share)
    posterior = pdl.exact_posterior(model)
    assert posterior.log_evidence == pytest.approx(special.logsumexp(likelihood) + prior, rel=ROUNDING)
    np.testing.assert_allclose(posterior.probabilities("more"), more, rtol=ROUNDING)
    np.testing.assert_allclose(posterior.probabilities("z"), kinds, rtol=ROUNDING)


def test_one_kind_of_waits_is_ruled_out():
    module = load("bayesian_gaussian_mixture")
    y = module.data()["y"]
    one = stats.norm.logpdf(y).sum()
    two = np.log(stats.norm.pdf(y[:, None], [-1.2, 0.68], 5.3**-0.5) @ [0.36, 0.64]).sum()
    numbers = f"{one:.3f}", f"{two:.3f}"
    assert numbers == ("-385.951", "-324.672")
    assert all(number in module.__doc__ for number in numbers)
