"""Small programs as users write them, with what exact inference should make of each.

Five tables of cases by name: DISCRETE, GAUSSIAN, MIXED, CONJUGATE, NOT_EXACT. All are small enough for
brute force: at most 2e5 assignments, at most 40 Gaussian dimensions.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan
from numpyro.infer.reparam import LocScaleReparam

import probdl as pdl


@dataclass(frozen=True)
class Case:
    """A program with its data, and what is to be integrated.

    Attributes:
        build: Makes the model.
        gaussian: The latent sites in which the log joint is quadratic given the rest.
        conjugate: The latent sites whose conditional is in a family, to be integrated as such.
        sampled: The one scalar latent that no engine integrates, or "".
        twin: A case of the same evidence and the same posterior of `sampled`, for brute force: a precision
            summed of terms as large as 1 / tau^2 has lost the others where tau is small.
        posterior: A program with the sites of `conjugate` drawn from their exact posterior, or None.
        refusal: Why this cannot be integrated exactly, or "" where it can; every discrete latent and every
            site of `gaussian` and `conjugate` is to be integrated then.
        refused: The sites that stay, for the reason `refusal`.
    """

    build: Callable[[], pdl.Model]
    gaussian: tuple[str, ...] = ()
    conjugate: tuple[str, ...] = ()
    sampled: str = ""
    twin: str = ""
    posterior: Callable[[], None] | None = None
    refusal: str = ""
    refused: tuple[str, ...] = ()

    @functools.cached_property
    def model(self) -> pdl.Model:
        """The model, built once."""
        return self.build()


DISCRETE: dict[str, Case] = {}
GAUSSIAN: dict[str, Case] = {}
MIXED: dict[str, Case] = {}
CONJUGATE: dict[str, Case] = {}
NOT_EXACT: dict[str, Case] = {}


def case(table, **what):
    """Enter a function that returns a model in a table, under its name."""

    def enter(build):
        table[build.__name__] = Case(build, **what)
        return build

    return enter


def rng():
    return np.random.default_rng(7)


WEIGHTS = np.array([0.5, 0.3, 0.2])
LOCS = np.array([-2.0, 0.5, 3.0])
Y6 = np.array([-1.7, 0.2, 3.4, 0.9, -2.6, 1.8])
STICKY = np.array([[0.8, 0.15, 0.05], [0.1, 0.7, 0.2], [0.25, 0.25, 0.5]])
BINARY = np.array([[0.9, 0.1], [0.35, 0.65]])
GROUP = np.array([0, 1, 2, 0, 1, 2, 0])
Y7 = np.array([0.3, 1.9, -0.8, 0.1, 2.4, -1.1, 0.6])


def at(table, *index):
    """Read a table of the module at latent indices.

    As numbers it enters each trace anew, in the precision of that trace: JAX keeps an array that it has met
    in another precision.
    """
    return jnp.array(table.tolist())[index]


def normal(name, *parameters, **options):
    return numpyro.sample(name, dist.Normal(*parameters), **options)


def categorical(name, probs, **options):
    return numpyro.sample(name, dist.Categorical(probs=probs), **options)


def bernoulli(name, probs, **options):
    return numpyro.sample(name, dist.Bernoulli(probs=probs), **options)


# Discrete


@case(DISCRETE)
def mixture():
    def program(weights, locs, y):
        with numpyro.plate("n", len(y)):
            z = categorical("z", weights)
            normal("y", locs[z], 1.0, obs=y)

    return pdl.Model(program, WEIGHTS, LOCS, Y6)


@case(DISCRETE)
def mixture_with_own_prior_of_each_datum():
    def program(logits, locs, y):
        with numpyro.plate("n", len(y)):
            z = numpyro.sample("z", dist.Categorical(logits=logits))
            normal("y", locs[z], 0.5 + z, obs=y)

    return pdl.Model(program, rng().normal(size=(6, 3)), LOCS, Y6)


@case(DISCRETE)
def nested_plates():
    def program(y):
        with numpyro.plate("outer", 3, dim=-2):
            z = bernoulli("z", 0.3)
            with numpyro.plate("inner", 2, dim=-1):
                w = bernoulli("w", jnp.where(z == 1, 0.8, 0.25))
                normal("y", 2.0 * w - z, 0.7, obs=y)

    return pdl.Model(program, Y6.reshape(3, 2))


@case(DISCRETE)
def crossed_plates():
    def program(y):
        rows, columns = numpyro.plate("rows", 3, dim=-2), numpyro.plate("columns", 2, dim=-1)
        with rows:
            a = bernoulli("a", 0.4)
        with columns:
            b = categorical("b", WEIGHTS)
        with rows, columns:
            normal("y", a * at(LOCS, b), 1.0, obs=y)

    return pdl.Model(program, Y6.reshape(3, 2))


@case(DISCRETE)
def hmm():
    def program(transition, locs, y):
        z0 = categorical("z_0", WEIGHTS)

        def step(z, y_t):
            z = categorical("z", transition[z])
            normal("y", locs[z], 1.0, obs=y_t)
            return z, None

        scan(step, z0, y)

    return pdl.Model(program, STICKY, LOCS, Y6)


@case(DISCRETE)
def hmm_from_a_constant():
    def program(transition, locs, y):
        def step(z, y_t):
            z = categorical("z", transition[z])
            normal("y", locs[z], 1.0, obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, STICKY, LOCS, Y6)


@case(DISCRETE)
def hmm_of_second_order():
    def program(transition, y):
        def step(carry, y_t):
            before, last = carry
            z = bernoulli("z", transition[before, last])
            normal("y", 2.0 * z, 0.8, obs=y_t)
            return (last, z), None

        scan(step, (0, 1), y)

    return pdl.Model(program, BINARY, Y7)


@case(DISCRETE)
def hmm_of_second_order_with_sites_at_the_start():
    def program(transition, y):
        first = bernoulli("first", 0.4)
        second = bernoulli("second", at(BINARY, first, 1))

        def step(carry, y_t):
            before, last = carry
            z = bernoulli("z", transition[before, last])
            normal("y", 2.0 * z, 0.8, obs=y_t)
            return (last, z), None

        scan(step, (first, second), y)

    return pdl.Model(program, BINARY, Y7)


@case(DISCRETE)
def hmm_with_inputs():
    def program(x, y):
        def step(z, inputs):
            x_t, y_t = inputs
            z = numpyro.sample("z", dist.Bernoulli(logits=x_t + 2.0 * z - 1.0))
            normal("y", z * x_t, 0.5, obs=y_t)
            return z, None

        scan(step, 1, (x, y))

    return pdl.Model(program, Y7[::-1].copy(), Y7)


@case(DISCRETE)
def hmm_with_own_transition_of_each_step():
    def program(transitions, y):
        def step(z, inputs):
            table, y_t = inputs
            z = categorical("z", table[z])
            normal("y", at(LOCS, z), 1.0, obs=y_t)
            return z, None

        scan(step, 2, (transitions, y))

    return pdl.Model(program, rng().dirichlet(np.ones(3), size=(6, 3)), Y6)


@case(DISCRETE)
def hmms_in_a_plate():
    def program(transition, y):
        with numpyro.plate("sequences", 2):
            z0 = bernoulli("z_0", 0.5)

        def step(z, y_t):
            with numpyro.plate("sequences", 2):
                z = categorical("z", transition[z])
                normal("y", 1.5 * z, 0.9, obs=y_t)
            return z, None

        scan(step, z0, y)

    return pdl.Model(program, BINARY, Y6[:, None] + np.array([0.0, 0.7]))


@case(DISCRETE)
def hmm_read_by_a_plate_in_each_step():
    def program(y):
        def step(z, y_t):
            z = categorical("z", at(STICKY, z))
            with numpyro.plate("sensors", 3):
                normal("y", at(LOCS, z), np.array([0.5, 1.0, 2.0]), obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, np.stack([Y6, Y6 + 0.4, -Y6], -1))


@case(DISCRETE)
def factorial_hmm():
    def program(y):
        def step(carry, y_t):
            a, b = carry
            a = categorical("a", at(BINARY, a))
            b = categorical("b", at(BINARY, 1 - b))
            normal("y", a + 2.5 * b, 0.6, obs=y_t)
            return (a, b), None

        scan(step, (0, 0), y)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def coupled_hmm():
    def program(y):
        def step(carry, y_t):
            a, b = carry
            a = bernoulli("a", 0.1 + 0.5 * a + 0.3 * b)
            b = bernoulli("b", 0.2 + 0.6 * b)
            normal("y", a + 2.5 * b, 0.6, obs=y_t)
            return (a, b), None

        scan(step, (0, 1), y)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def autoregressive_hmm():
    def program(y):
        def step(carry, y_t):
            z, last = carry
            z = categorical("z", at(STICKY, z))
            y_t = normal("y", at(LOCS, z) + 0.5 * last, 1.0, obs=y_t)
            return (z, y_t), None

        scan(step, (0, 0.0), y)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def hmm_of_counts():
    def program(y):
        z0 = bernoulli("z_0", 0.5)

        def step(z, y_t):
            z = categorical("z", at(BINARY, z))
            numpyro.sample("y", dist.Poisson(jnp.where(z == 1, 6.0, 1.5)), obs=y_t)
            return z, None

        scan(step, z0, y)

    return pdl.Model(program, np.array([0, 2, 7, 5, 1, 1, 8]))


@case(DISCRETE)
def hmm_with_a_regime():
    def program(y):
        regime = bernoulli("regime", 0.3)
        tables = np.stack([BINARY, BINARY[::-1]])

        def step(z, y_t):
            z = categorical("z", at(tables, regime, z))
            normal("y", 2.0 * z, 1.0, obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, Y7)


@case(DISCRETE)
def hmm_whose_last_state_is_read():
    def program(y, w):
        def step(z, y_t):
            z = categorical("z", at(STICKY, z))
            normal("y", at(LOCS, z), 1.5, obs=y_t)
            return z, None

        last, _ = scan(step, 0, y)
        forecast = categorical("forecast", at(STICKY, last))
        normal("w", at(LOCS, forecast), 1.0, obs=w)

    return pdl.Model(program, Y6, 2.0)


@case(DISCRETE)
def hmm_whose_states_are_read_after_it():
    def program(y, total):
        def step(z, _):
            z = bernoulli("z", 0.2 + 0.6 * z)
            return z, z

        _, z = scan(step, 0, None, length=5)
        with numpyro.plate("n", 5):
            normal("y", 2.0 * z, 0.8, obs=y)
        normal("total", z[0] - z[3], 0.5, obs=total)

    return pdl.Model(program, Y6[:5], 1.0)


@case(DISCRETE)
def hmm_backward():
    def program(y):
        def step(z, y_t):
            z = categorical("z", at(STICKY, z))
            normal("y", at(LOCS, z), 1.0, obs=y_t)
            return z, None

        scan(step, 0, y, reverse=True)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def hmm_unrolled():
    def program(y):
        z = 0
        for t in range(len(y)):
            z = categorical(f"z_{t}", at(STICKY, z))
            normal(f"y_{t}", at(LOCS, z), 1.0, obs=y[t])

    return pdl.Model(program, Y6)


@case(DISCRETE)
def hmm_with_a_forbidden_transition():
    def program(y):
        left_to_right = jnp.array([[0.6, 0.4, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])

        def step(z, y_t):
            z = categorical("z", left_to_right[z])
            normal("y", at(LOCS, z), 1.0, obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, np.sort(Y6))


@case(DISCRETE)
def one_of_each_support():
    def program(y):
        a = bernoulli("a", 0.3)
        b = numpyro.sample("b", dist.Binomial(3, 0.2 + 0.5 * a))
        c = numpyro.sample("c", dist.DiscreteUniform(-1, 2))
        d = numpyro.sample("d", dist.Categorical(logits=jnp.array([0.1, 0.2, -0.3]) * b))
        numpyro.sample("y", dist.Normal(a + b + c * d, 1.0), obs=y)

    return pdl.Model(program, 1.3)


@case(DISCRETE)
def binomials_of_many_sizes():
    def program(totals, y):
        with numpyro.plate("n", len(totals)):
            k = numpyro.sample("k", dist.Binomial(totals, 0.4))
            numpyro.sample("y", dist.Binomial(k + 2, 0.7), obs=y)

    return pdl.Model(program, np.array([1, 4, 2, 3]), np.array([1, 3, 0, 4]))


@case(DISCRETE)
def zero_inflated_counts():
    def program(y):
        with numpyro.plate("n", len(y)):
            zero = bernoulli("zero", 0.4)
            numpyro.sample("y", dist.Poisson(jnp.where(zero == 1, 1e-6, 3.0)), obs=y)

    return pdl.Model(program, np.array([0, 3, 0, 1, 5]))


@case(DISCRETE)
def vector_of_bernoullis():
    def program(y):
        bits = numpyro.sample("bits", dist.Bernoulli(jnp.array([0.2, 0.5, 0.9, 0.4])).to_event(1))
        with numpyro.plate("n", len(y)):
            normal("y", bits @ jnp.array([1.0, -2.0, 0.5, 3.0]), 1.0, obs=y)

    return pdl.Model(program, Y6[:3])


@case(DISCRETE)
def vectors_of_bernoullis_in_a_plate():
    def program(y):
        with numpyro.plate("n", len(y)):
            bits = numpyro.sample("bits", dist.Bernoulli(jnp.array([0.2, 0.5, 0.9])).to_event(1))
            normal("y", bits @ jnp.array([1.0, -2.0, 0.5]), 1.0, obs=y)

    return pdl.Model(program, Y6[:4])


@case(DISCRETE)
def tree():
    def program(y):
        def grow(name, parent, depth):
            x = categorical(name, at(STICKY, parent))
            if depth == 0:
                normal(f"y_{name}", at(LOCS, x), 1.0, obs=y[int(name[1:], 2)])
                return
            for child in "01":
                grow(name + child, x, depth - 1)

        grow("x", 0, 2)

    return pdl.Model(program, Y6[:4])


@case(DISCRETE)
def loop_of_four():
    def program():
        a = bernoulli("a", 0.4)
        b = bernoulli("b", 0.2 + 0.6 * a)
        c = bernoulli("c", 0.7 - 0.5 * a)
        d = bernoulli("d", jnp.array([[0.1, 0.6], [0.5, 0.95]])[b, c])
        normal("y", d, 0.5, obs=0.9)

    return pdl.Model(program)


@case(DISCRETE)
def ising_of_scalars():
    def program():
        field = rng().normal(size=(3, 3))
        s = {ij: bernoulli(f"s_{ij[0]}{ij[1]}", 0.5) for ij in np.ndindex(3, 3)}
        for i, j in np.ndindex(3, 3):
            numpyro.factor(f"field_{i}{j}", field[i, j] * s[i, j])
            for k, m in ((i + 1, j), (i, j + 1)):
                if (k, m) in s:
                    numpyro.factor(f"{i}{j}-{k}{m}", 0.8 * (2 * s[i, j] - 1) * (2 * s[k, m] - 1))

    return pdl.Model(program)


@case(DISCRETE)
def ising_of_an_array():
    def program(field):
        with numpyro.plate("row", 3, dim=-2), numpyro.plate("column", 3, dim=-1):
            spin = 2 * bernoulli("s", 0.5) - 1
        numpyro.factor("field", jnp.sum(field * spin))
        numpyro.factor("down", 0.8 * jnp.sum(spin[1:] * spin[:-1]))
        numpyro.factor("right", 0.8 * jnp.sum(spin[:, 1:] * spin[:, :-1]))

    return pdl.Model(program, rng().normal(size=(3, 3)))


@case(DISCRETE)
def gather():
    def program(group, y):
        with numpyro.plate("groups", 3):
            z = categorical("z", WEIGHTS)
        with numpyro.plate("n", len(y)):
            normal("y", at(LOCS, z[group]), 1.0, obs=y)

    return pdl.Model(program, GROUP, Y7)


@case(DISCRETE)
def gather_by_a_latent_below():
    def program(group, y):
        with numpyro.plate("groups", 3):
            z = bernoulli("z", 0.4)
        with numpyro.plate("n", len(y)):
            w = bernoulli("w", 0.1 + 0.7 * z[group])
            normal("y", 2.0 * w, 1.0, obs=y)

    return pdl.Model(program, GROUP, Y7)


@case(DISCRETE)
def two_gathers():
    def program(i, j, y):
        with numpyro.plate("first", 3):
            a = bernoulli("a", 0.4)
        with numpyro.plate("second", 2):
            b = categorical("b", WEIGHTS)
        with numpyro.plate("n", len(y)):
            normal("y", a[i] + at(LOCS, b[j]), 1.0, obs=y)

    return pdl.Model(program, GROUP, np.array([0, 0, 0, 1, 1, 1, 1]), Y7)


@case(DISCRETE)
def two_gathers_of_one_site():
    def program(left, right, won):
        with numpyro.plate("players", 4):
            skill = categorical("skill", WEIGHTS)
        with numpyro.plate("games", len(won)):
            numpyro.sample("won", dist.Bernoulli(logits=1.5 * (skill[left] - skill[right])), obs=won)

    games = np.array([[0, 1], [1, 2], [2, 0], [0, 1], [3, 2]])
    return pdl.Model(program, games[:, 0], games[:, 1], np.array([1, 1, 0, 1, 0]))


@case(DISCRETE)
def masked_likelihood():
    def program(y, seen):
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            with handlers.mask(mask=seen):
                normal("y", at(LOCS, z), 1.0, obs=y)

    return pdl.Model(program, Y6, np.array([True, True, False, True, False, True]))


@case(DISCRETE)
def masked_latents():
    def program(y, exists):
        with numpyro.plate("n", len(y)), handlers.mask(mask=exists):
            z = categorical("z", WEIGHTS)
            normal("y", at(LOCS, z), 1.0, obs=y)

    return pdl.Model(program, Y6, np.array([True, True, False, True, False, True]))


@case(DISCRETE)
def imputed_observations():
    def program(y, seen):
        z = bernoulli("z", 0.3)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Bernoulli(0.2 + 0.5 * z), obs=y, obs_mask=seen)

    return pdl.Model(program, np.array([1, 0, 1, 1, 0]), np.array([True, True, False, True, False]))


@case(DISCRETE)
def scaled_likelihood():
    def program(y):
        z = categorical("z", WEIGHTS)
        with handlers.scale(scale=2.5), numpyro.plate("n", len(y)):
            normal("y", at(LOCS, z), 1.0, obs=y)

    return pdl.Model(program, Y6[:2])


@case(DISCRETE)
def deterministic_between():
    def program(y):
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            level = numpyro.deterministic("level", at(LOCS, z) ** 2)
            normal("y", level, 1.0, obs=y)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def naive_bayes():
    def program(x):
        c = categorical("c", WEIGHTS)
        with numpyro.plate("features", len(x)):
            bernoulli("x", at(rng().uniform(size=(3, 4)), c), obs=x)

    return pdl.Model(program, np.array([1, 0, 0, 1]))


@case(DISCRETE)
def naive_bayes_with_a_missing_feature():
    def program(x):
        c = categorical("c", WEIGHTS)
        for j in range(4):
            bernoulli(f"x_{j}", at(rng().uniform(size=(4, 3)), j, c), obs=x.get(j))

    return pdl.Model(program, {0: 1, 1: 0, 3: 1})


@case(DISCRETE)
def noisy_or():
    def program(fails, symptoms):
        with numpyro.plate("causes", 4, dim=-1):
            cause = bernoulli("cause", jnp.array([0.1, 0.3, 0.2, 0.05]))
        absent = 0.98 * jnp.prod(jnp.where(cause == 1, fails, 1.0), -1)
        with numpyro.plate("symptoms", len(symptoms)):
            bernoulli("symptom", 1 - absent, obs=symptoms)

    return pdl.Model(program, rng().uniform(size=(3, 4)), np.array([1, 0, 1]))


@case(DISCRETE)
def where_on_a_state():
    def program(y):
        z = bernoulli("z", 0.3)
        with numpyro.plate("n", len(y)):
            normal("y", jnp.where(z == 1, 0.0, 1.0), jnp.where(z == 1, 0.5, 2.0), obs=y)

    return pdl.Model(program, Y6)


@case(DISCRETE)
def cond_on_a_state():
    def program(y):
        z = bernoulli("z", 0.3)
        w = bernoulli("w", jax.lax.cond(z == 1, lambda: 0.9, lambda: 0.15))
        loc = jax.lax.switch(z + w, [lambda: -1.0, lambda: 0.5, lambda: 2.0])
        normal("y", loc, 1.0, obs=y)

    return pdl.Model(program, 1.1)


@case(DISCRETE)
def constant_indices():
    def program(y):
        with numpyro.plate("n", 4):
            z = categorical("z", WEIGHTS)
        normal("first", at(LOCS, z[0]) - at(LOCS, z[2]), 1.0, obs=y[0])
        normal("last", at(LOCS, z[-1]), 1.0, obs=y[1])

    return pdl.Model(program, Y6)


@case(DISCRETE)
def sum_over_a_plate():
    def program(total):
        with numpyro.plate("n", 6):
            z = bernoulli("z", jnp.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.6]))
        normal("total", z.sum(), 0.3, obs=total)

    return pdl.Model(program, 3.2)


@case(DISCRETE)
def neighbours_in_a_plate():
    def program(y):
        with numpyro.plate("n", 6):
            z = bernoulli("z", 0.5)
        with numpyro.plate("pairs", 5):
            normal("y", z[1:] - z[:-1], 0.5, obs=y)

    return pdl.Model(program, Y6[:5])


@case(DISCRETE)
def table_in_a_plate():
    def program(tables, y):
        a = bernoulli("a", 0.3)
        with numpyro.plate("n", len(y)):
            b = categorical("b", tables[np.arange(len(y)), a])
            normal("y", at(LOCS, b), 1.0, obs=y)

    return pdl.Model(program, rng().dirichlet(np.ones(3), size=(4, 2)), Y6[:4])


@case(DISCRETE)
def joint_of_two_observed_by_condition():
    def program():
        rain = bernoulli("rain", 0.2)
        sprinkler = bernoulli("sprinkler", 0.4 - 0.39 * rain)
        bernoulli("wet", jnp.array([[0.0, 0.8], [0.9, 0.99]])[sprinkler, rain])

    return pdl.Model(program).condition(wet=1)


# Gaussian


SIGMA = np.array([15.0, 10, 16, 11, 9, 11, 10, 18])
SCHOOLS = np.array([28.0, 8, -3, 7, -1, 1, 18, 12])


def centred(sigma, y, tau=None):
    mu = normal("mu", 0, 5)
    tau = numpyro.sample("tau", dist.HalfCauchy(5), obs=tau)
    with numpyro.plate("school", len(y)):
        theta = normal("theta", mu, tau)
        normal("y", theta, sigma, obs=y)


def non_centred(sigma, y, tau=None):
    mu = normal("mu", 0, 5)
    tau = numpyro.sample("tau", dist.HalfCauchy(5), obs=tau)
    with numpyro.plate("school", len(y)):
        effect = normal("effect", 0, 1)
        theta = numpyro.deterministic("theta", mu + tau * effect)
        normal("y", theta, sigma, obs=y)


@case(GAUSSIAN, gaussian=("mu", "theta"))
def schools_with_known_tau():
    return pdl.Model(centred, SIGMA, SCHOOLS, tau=4.0)


@case(GAUSSIAN, gaussian=("mu", "effect"))
def schools_non_centred_with_known_tau():
    return pdl.Model(non_centred, SIGMA, SCHOOLS, tau=4.0)


@case(GAUSSIAN, gaussian=("mu", "theta"), sampled="tau", twin="schools_non_centred")
def schools():
    return pdl.Model(centred, SIGMA, SCHOOLS)


@case(GAUSSIAN, gaussian=("mu", "effect"), sampled="tau")
def schools_non_centred():
    return pdl.Model(non_centred, SIGMA, SCHOOLS)


@case(GAUSSIAN, gaussian=("mu", "theta_decentered"), sampled="tau")
def schools_reparametrised():
    program = handlers.reparam(centred, config={"theta": LocScaleReparam(0)})
    return pdl.Model(lambda sigma, y: program(sigma, y), SIGMA, SCHOOLS)


@case(GAUSSIAN, gaussian=("w", "b"), sampled="s")
def linear_regression():
    def program(x, y):
        w = numpyro.sample("w", dist.Normal(0, 2).expand([x.shape[1]]).to_event(1))
        b = normal("b", 0, 10)
        s = numpyro.sample("s", dist.Exponential(1.0))
        with numpyro.plate("n", len(y)):
            normal("y", x @ w + b, s, obs=y)

    return pdl.Model(program, rng().normal(size=(7, 3)), Y7)


@case(GAUSSIAN, gaussian=("w", "b"))
def regression_of_many_outputs():
    def program(x, y):
        with numpyro.plate("outputs", y.shape[1], dim=-1):
            with numpyro.plate("inputs", x.shape[1], dim=-2):
                w = normal("w", 0, 1)
            b = normal("b", 0, 10)
            with numpyro.plate("n", len(y), dim=-2):
                normal("y", x @ w + b, 0.4, obs=y)

    return pdl.Model(program, rng().normal(size=(6, 3)), np.stack([Y6, -Y6 + 1], -1))


@case(GAUSSIAN, gaussian=("mu", "alpha", "beta"))
def hierarchical_regression():
    def program(group, x, y):
        mu = normal("mu", 0, 3)
        beta = normal("beta", 0, 2)
        with numpyro.plate("groups", 3):
            alpha = normal("alpha", mu, 0.8)
        with numpyro.plate("n", len(y)):
            normal("y", alpha[group] + beta * x, 0.5, obs=y)

    return pdl.Model(program, GROUP, rng().normal(size=7), Y7)


@case(GAUSSIAN, gaussian=("alpha", "beta"))
def varying_slopes():
    def program(group, x, y):
        with numpyro.plate("groups", 3):
            alpha = normal("alpha", 1, 2)
            beta = normal("beta", -1, 0.7)
        with numpyro.plate("n", len(y)):
            normal("y", alpha[group] + beta[group] * x, 0.5, obs=y)

    return pdl.Model(program, GROUP, rng().normal(size=7), Y7)


@case(GAUSSIAN, gaussian=("mean", "effects"))
def correlated_varying_slopes():
    def program(group, x, y):
        mean = numpyro.sample("mean", dist.Normal(0, 3).expand([2]).to_event(1))
        with numpyro.plate("groups", 3):
            effects = numpyro.sample(
                "effects", dist.MultivariateNormal(mean, jnp.array([[1, 0.4], [0.4, 2]]))
            )
        with numpyro.plate("n", len(y)):
            normal("y", effects[group, 0] + effects[group, 1] * x, 0.5, obs=y)

    return pdl.Model(program, GROUP, rng().normal(size=7), Y7)


@case(GAUSSIAN, gaussian=("mu", "alpha", "beta"))
def crossed_effects():
    def program(g, h, y):
        mu = normal("mu", 0, 3)
        with numpyro.plate("first", 3):
            alpha = normal("alpha", 0, 1)
        with numpyro.plate("second", 4):
            beta = normal("beta", 0, 0.5)
        with numpyro.plate("n", len(y)):
            normal("y", mu + alpha[g] + beta[h], 0.5, obs=y)

    return pdl.Model(program, GROUP, np.array([3, 0, 2, 1, 0, 2, 3]), Y7)


@case(GAUSSIAN, gaussian=("mu", "country", "city"))
def three_levels():
    def program(y):
        mu = normal("mu", 0, 10)
        with numpyro.plate("countries", 2, dim=-2):
            country = normal("country", mu, 2)
            with numpyro.plate("cities", 3, dim=-1):
                city = normal("city", country, 1)
                normal("y", city, 0.5, obs=y)

    return pdl.Model(program, Y6.reshape(2, 3))


@case(GAUSSIAN, gaussian=("z",))
def ppca_with_known_loadings():
    def program(loadings, y):
        with numpyro.plate("n", len(y)):
            z = numpyro.sample("z", dist.Normal(0, 1).expand([2]).to_event(1))
            numpyro.sample("y", dist.Normal(z @ loadings.T, 0.3).to_event(1), obs=y)

    return pdl.Model(program, rng().normal(size=(3, 2)), rng().normal(size=(5, 3)))


@case(GAUSSIAN, gaussian=("loadings",))
def ppca_with_known_scores():
    def program(z, y):
        loadings = numpyro.sample("loadings", dist.Normal(0, 1).expand([3, 2]).to_event(2))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Normal(z @ loadings.T, 0.3).to_event(1), obs=y)

    return pdl.Model(program, rng().normal(size=(5, 2)), rng().normal(size=(5, 3)))


@case(GAUSSIAN, gaussian=("x_0", "x"))
def local_level():
    def program(y):
        x0 = normal("x_0", 0, 3)

        def step(x, y_t):
            x = normal("x", x, 0.5)
            normal("y", x, 1.0, obs=y_t)
            return x, None

        scan(step, x0, y)

    return pdl.Model(program, np.concatenate([Y6, Y7]))


@case(GAUSSIAN, gaussian=("x_0", "x"), sampled="q")
def local_level_of_unknown_noise():
    def program(y):
        q = numpyro.sample("q", dist.LogNormal(-0.5, 0.5))
        x0 = normal("x_0", 0, 3)

        def step(x, y_t):
            x = normal("x", x, q)
            normal("y", x, 1.0, obs=y_t)
            return x, None

        scan(step, x0, y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("x_0", "x"))
def local_linear_trend():
    def program(y):
        advance = jnp.array([[1.0, 1.0], [0.0, 1.0]])
        x0 = numpyro.sample("x_0", dist.MultivariateNormal(jnp.zeros(2), 4 * jnp.eye(2)))

        def step(x, y_t):
            x = numpyro.sample("x", dist.MultivariateNormal(advance @ x, jnp.diag(jnp.array([0.3, 0.05]))))
            normal("y", x[0], 0.8, obs=y_t)
            return x, None

        scan(step, x0, y)

    return pdl.Model(program, np.cumsum(Y7))


@case(GAUSSIAN, gaussian=("level", "slope"))
def local_linear_trend_of_two_sites():
    def program(y):
        def step(carry, y_t):
            level, slope = carry
            level = normal("level", level + slope, 0.5)
            slope = normal("slope", 0.9 * slope, 0.2)
            normal("y", level, 0.8, obs=y_t)
            return (level, slope), None

        scan(step, (0.0, 0.5), y)

    return pdl.Model(program, np.cumsum(Y7))


@case(GAUSSIAN, gaussian=("x",))
def states_with_missing_observations():
    def program(y):
        def step(x, y_t):
            x = numpyro.sample(
                "x", dist.MultivariateNormal(0.8 * x + 0.1, jnp.array([[0.5, 0.2], [0.2, 0.4]]))
            )
            with handlers.mask(mask=~jnp.isnan(y_t)), numpyro.plate("sensors", 2):
                normal("y", x, 0.7, obs=y_t)
            return x, None

        scan(step, jnp.zeros(2), y)

    y = np.stack([Y7, Y7[::-1]], -1)
    y[[1, 3, 3], [0, 0, 1]] = np.nan
    return pdl.Model(program, y)


@case(GAUSSIAN, gaussian=("x",))
def ar1():
    def program(y):
        def step(x, y_t):
            x = normal("x", 0.9 * x, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        scan(step, 0.0, y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("x",))
def ar2():
    def program(y):
        def step(carry, y_t):
            before, last = carry
            x = normal("x", 1.2 * last - 0.5 * before, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return (last, x), None

        scan(step, (0.0, 0.0), y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("x",))
def ar1_with_inputs_and_own_noise_of_each_step():
    def program(u, noise, y):
        def step(x, inputs):
            u_t, s_t, y_t = inputs
            x = normal("x", u_t * x + 1.0, 0.4)
            normal("y", x, s_t, obs=y_t)
            return x, None

        scan(step, 0.0, (u, noise, y))

    return pdl.Model(program, Y7[::-1] / 3, np.exp(Y7 / 4), Y7)


@case(GAUSSIAN, gaussian=("mu", "x"))
def ar1_around_a_mean():
    def program(y):
        mu = normal("mu", 0, 5)

        def step(x, y_t):
            x = normal("x", mu + 0.8 * (x - mu), 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        scan(step, mu, y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("drift", "x"))
def random_walks_in_a_plate():
    def program(y):
        drift = normal("drift", 0, 1)

        def step(x, y_t):
            with numpyro.plate("walks", 2):
                x = normal("x", x + drift, np.array([0.5, 0.2]))
                normal("y", x, 0.5, obs=y_t)
            return x, None

        scan(step, jnp.zeros(2), y)

    return pdl.Model(program, np.stack([np.cumsum(Y7), Y7], -1))


@case(GAUSSIAN, gaussian=("x", "forecast"))
def forecast_after_the_last_state():
    def program(y):
        def step(x, y_t):
            x = normal("x", x, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        last, _ = scan(step, 0.0, y)
        normal("forecast", 0.5 * last, 1.0)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("x",))
def ar1_backward():
    def program(y):
        def step(x, y_t):
            x = normal("x", 0.9 * x, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        scan(step, 0.5, y, reverse=True)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("eps",))
def random_walk_as_a_cumulative_sum():
    def program(y):
        with numpyro.plate("steps", len(y)):
            eps = normal("eps", 0, 0.5)
        with numpyro.plate("n", len(y)):
            normal("y", jnp.cumsum(eps), 0.3, obs=y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("x",))
def gaussian_random_walk():
    def program(y):
        x = numpyro.sample("x", dist.GaussianRandomWalk(0.5, len(y)))
        with numpyro.plate("n", len(y)):
            normal("y", x, 0.3, obs=y)

    return pdl.Model(program, Y7)


@case(GAUSSIAN, gaussian=("f",))
def gaussian_process():
    def program(x, y):
        kernel = jnp.exp(-0.5 * (x[:, None] - x) ** 2) + 1e-3 * jnp.eye(len(x))
        f = numpyro.sample("f", dist.MultivariateNormal(jnp.zeros(len(x)), kernel))
        with numpyro.plate("n", len(y)):
            normal("y", f, 0.3, obs=y)

    return pdl.Model(program, np.linspace(0, 3, 7), Y7)


@case(GAUSSIAN, gaussian=("a", "b", "c"))
def multivariate_normals():
    def program(y):
        tril = jnp.array([[1.0, 0.0], [0.4, 0.7]])
        a = numpyro.sample("a", dist.MultivariateNormal(jnp.ones(2), scale_tril=tril))
        b = numpyro.sample(
            "b", dist.MultivariateNormal(tril @ a, precision_matrix=jnp.array([[2, 0.3], [0.3, 1]]))
        )
        factor = jnp.array([[1.0], [0.5], [-1.0]])
        loc = jnp.array([b[0], a[1], 0.0])
        c = numpyro.sample("c", dist.LowRankMultivariateNormal(loc, factor, jnp.array([0.3, 0.2, 0.5])))
        numpyro.sample("y", dist.MultivariateNormal(c, 0.5 * jnp.eye(3)), obs=y)

    return pdl.Model(program, Y6[:3])


@case(GAUSSIAN, gaussian=("mu",))
def observed_vectors_of_low_rank():
    def program(y):
        mu = numpyro.sample("mu", dist.Normal(0, 2).expand([3]).to_event(1))
        factor = jnp.array([[1.0], [0.5], [-1.0]])
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.LowRankMultivariateNormal(mu, factor, jnp.full(3, 0.2)), obs=y)

    return pdl.Model(program, rng().normal(size=(4, 3)))


@case(GAUSSIAN, gaussian=("x",))
def affine_deterministics():
    def program(y):
        with numpyro.plate("n", len(y)):
            x = normal("x", 1.0, 2.0)
            celsius = numpyro.deterministic("celsius", (x - 32.0) / 1.8)
            shifted = numpyro.deterministic("shifted", jnp.stack([celsius, -x], -1) @ jnp.array([0.5, 2.0]))
        normal("sum", shifted.mean(), 0.5, obs=1.0)
        with numpyro.plate("m", len(y)):
            normal("y", shifted[::-1], 1.0, obs=y)

    return pdl.Model(program, Y6)


@case(GAUSSIAN, gaussian=("x",))
def read_at_constant_indices():
    def program(y):
        with numpyro.plate("n", 5):
            x = normal("x", 0.0, jnp.arange(1.0, 6.0))
        normal("first", x[3], 0.5, obs=y[0])
        normal("second", x[0] - 2.0 * x[-1], 1.0, obs=y[1])

    return pdl.Model(program, Y6)


@case(GAUSSIAN, gaussian=("mu",))
def flat_prior():
    def program(y):
        mu = numpyro.sample("mu", dist.ImproperUniform(dist.constraints.real, (), ()))
        with numpyro.plate("n", len(y)):
            normal("y", mu, 1.5, obs=y)

    return pdl.Model(program, Y6)


@case(GAUSSIAN, gaussian=("a", "b"))
def quadratic_factor():
    def program():
        a, b = normal("a", 0, 1), normal("b", 2, 1)
        numpyro.factor("spring", -3.0 * (a - b) ** 2)

    return pdl.Model(program)


@case(GAUSSIAN, gaussian=("x",))
def scaled_and_masked():
    def program(y, seen):
        x = normal("x", 0, 2)
        with handlers.scale(scale=3.0), handlers.mask(mask=seen), numpyro.plate("n", len(y)):
            normal("y", x, 0.5, obs=y)

    return pdl.Model(program, Y6[:4], np.array([True, False, True, True]))


@case(GAUSSIAN, gaussian=("log_x",))
def lognormal_observed():
    def program(y):
        log_x = normal("log_x", 0, 2)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.LogNormal(log_x, 0.5), obs=y)

    return pdl.Model(program, np.exp(Y6))


# Mixed


@case(MIXED, gaussian=("x",))
def mixture_of_factor_analysers():
    def program(loadings, means, y):
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            x = numpyro.sample("x", dist.Normal(0, 1).expand([2]).to_event(1))
            loc = means[z] + jnp.einsum("...ij,...j->...i", loadings[z], x)
            numpyro.sample("y", dist.Normal(loc, 0.4).to_event(1), obs=y)

    data = rng()
    return pdl.Model(program, data.normal(size=(3, 3, 2)), data.normal(size=(3, 3)), data.normal(size=(4, 3)))


@case(MIXED, gaussian=("x",))
def mixture_with_noisy_readings():
    def program(y):
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            x = normal("x", at(LOCS, z), 0.5 + z)
            normal("y", x, 0.3, obs=y)

    return pdl.Model(program, Y6[:5])


@case(MIXED, gaussian=("alpha", "beta"))
def switching_intercept():
    def program(x, y):
        z = bernoulli("z", 0.3)
        alpha = normal("alpha", jnp.where(z == 1, 2.0, -1.0), jnp.where(z == 1, 0.5, 1.5))
        beta = normal("beta", 0, 1)
        with numpyro.plate("n", len(y)):
            normal("y", alpha + beta * x, 0.7, obs=y)

    return pdl.Model(program, rng().normal(size=6), Y6)


@case(MIXED, gaussian=("w",))
def choice_of_model():
    def program(x, y):
        z = categorical("z", WEIGHTS)
        w = normal("w", 0, 1)
        with numpyro.plate("n", len(y)):
            normal("y", w * jnp.stack([x, x**2, jnp.ones_like(x)])[z], 0.7, obs=y)

    return pdl.Model(program, rng().normal(size=6), Y6)


@case(MIXED)
def mixture_of_known_regressions():
    def program(x, y):
        slopes = jnp.array([-1.0, 2.0, 0.0])
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            normal("y", slopes[z] * x, 0.5, obs=y)

    return pdl.Model(program, rng().normal(size=6), Y6)


@case(MIXED, gaussian=("w",))
def spike_and_slab():
    def program(x, y):
        with numpyro.plate("inputs", 4):
            used = bernoulli("used", 0.4)
            w = normal("w", 0, 2)
        with numpyro.plate("n", len(y)):
            normal("y", x @ (used * w), 0.5, obs=y)

    return pdl.Model(program, rng().normal(size=(7, 4)), Y7)


@case(MIXED, gaussian=("alpha",))
def classes_of_groups():
    def program(group, y):
        with numpyro.plate("groups", 3):
            z = bernoulli("z", 0.4)
            alpha = normal("alpha", 3.0 * z, 0.5)
        with numpyro.plate("n", len(y)):
            normal("y", alpha[group], 0.7, obs=y)

    return pdl.Model(program, GROUP, Y7)


@case(MIXED, gaussian=("x",))
def regime_of_a_chain():
    def program(y):
        regime = bernoulli("regime", 0.4)
        speed = jnp.where(regime == 1, 0.95, 0.2)

        def step(x, y_t):
            x = normal("x", speed * x, 0.4)
            normal("y", x, 0.3, obs=y_t)
            return x, None

        scan(step, 0.0, y)

    return pdl.Model(program, Y7)


@case(MIXED, gaussian=("x",))
def hmm_with_noisy_readings():
    def program(y):
        def step(z, y_t):
            z = categorical("z", at(STICKY, z))
            x = normal("x", at(LOCS, z), 0.5)
            normal("y", x, 0.6, obs=y_t)
            return z, None

        scan(step, 0, y)

    return pdl.Model(program, Y6[:5])


@case(MIXED, gaussian=("bias",))
def discrete_and_gaussian_apart():
    def program(y, w):
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            normal("y", at(LOCS, z), 1.0, obs=y)
        bias = normal("bias", 0, 1)
        normal("w", bias, 1.0, obs=w)

    return pdl.Model(program, Y6[:4], 0.7)


@case(MIXED, sampled="s")
def mixture_of_unknown_noise():
    def program(y):
        s = numpyro.sample("s", dist.HalfNormal(2.0))
        with numpyro.plate("n", len(y)):
            z = categorical("z", WEIGHTS)
            normal("y", at(LOCS, z), s, obs=y)

    return pdl.Model(program, Y6[:5])


@case(MIXED, gaussian=("mu",))
def mixture_of_unknown_means():
    def program(y):
        with numpyro.plate("k", 2):
            mu = normal("mu", 0, 3)
        with numpyro.plate("n", len(y)):
            z = bernoulli("z", 0.4)
            normal("y", mu[z], 1.0, obs=y)

    return pdl.Model(program, Y6)


@case(MIXED, gaussian=("mu",))
def outliers():
    def program(y):
        mu = normal("mu", 0, 3)
        with numpyro.plate("n", len(y)):
            odd = bernoulli("odd", 0.1)
            normal("y", mu, jnp.where(odd == 1, 10.0, 1.0), obs=y)

    return pdl.Model(program, Y6)


@case(MIXED, gaussian=("x",))
def switching_state_space():
    def program(y):
        def step(carry, y_t):
            z, x = carry
            z = categorical("z", at(BINARY, z))
            x = normal("x", x, jnp.where(z == 1, 2.0, 0.1))
            normal("y", x, 0.5, obs=y_t)
            return (z, x), None

        scan(step, (0, 0.0), y)

    return pdl.Model(program, Y6)


# Conjugate


def gaussian_update(m0, precision0, y, precision):
    """Return mean and sd of a normal mean after data of known precision."""
    total = precision0 + len(y) * precision
    return (m0 * precision0 + np.sum(y) * precision) / total, total**-0.5


COUNTS = np.array([2, 0, 3, 1, 1])
BITS = np.array([1, 0, 1, 1, 0, 1])
WAITS = np.array([0.3, 1.9, 0.8, 0.1, 2.4])


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Beta(2 + BITS.sum(), 3 + (1 - BITS).sum())),
)
def beta_bernoulli():
    def program(y):
        p = numpyro.sample("p", dist.Beta(2, 3))
        with numpyro.plate("n", len(y)):
            bernoulli("y", p, obs=y)

    return pdl.Model(program, BITS)


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Beta(2 + COUNTS.sum(), 3 + (4 - COUNTS).sum())),
)
def beta_binomial():
    def program(y):
        p = numpyro.sample("p", dist.Beta(2, 3))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Binomial(4, p), obs=y)

    return pdl.Model(program, COUNTS)


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Beta(2 + len(COUNTS), 3 + COUNTS.sum())),
)
def beta_geometric():
    def program(y):
        p = numpyro.sample("p", dist.Beta(2, 3))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Geometric(p), obs=y)

    return pdl.Model(program, COUNTS)


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Beta(2.0 + COUNTS[:4], 3.0 + 4 - COUNTS[:4]).to_event(1)),
)
def beta_binomials_in_a_plate():
    def program(y):
        with numpyro.plate("n", len(y)):
            p = numpyro.sample("p", dist.Beta(2, 3))
            numpyro.sample("y", dist.Binomial(4, p), obs=y)

    return pdl.Model(program, COUNTS[:4])


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample(
        "p", dist.Beta(np.array([3.0, 3, 2]), np.array([5.0, 3, 4])).to_event(1)
    ),
)
def beta_bernoulli_by_group():
    def program(group, y):
        with numpyro.plate("groups", 3):
            p = numpyro.sample("p", dist.Beta(2, 3))
        with numpyro.plate("n", len(y)):
            bernoulli("y", p[group], obs=y)

    return pdl.Model(program, np.array([0, 0, 0, 1, 2]), np.array([1, 0, 0, 1, 0]))


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Dirichlet(np.array([1.0 + 1, 2.0 + 2, 3.0 + 1]))),
)
def dirichlet_categorical():
    def program(y):
        p = numpyro.sample("p", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
        with numpyro.plate("n", len(y)):
            categorical("y", p, obs=y)

    return pdl.Model(program, np.array([0, 1, 2, 1]))


@case(
    CONJUGATE,
    conjugate=("p",),
    posterior=lambda: numpyro.sample("p", dist.Dirichlet(np.array([1.0 + 3, 2.0 + 2, 3.0 + 4]))),
)
def dirichlet_multinomial():
    def program(y):
        p = numpyro.sample("p", dist.Dirichlet(jnp.array([1.0, 2.0, 3.0])))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Multinomial(np.array([4, 5]), p, total_count_max=5), obs=y)

    return pdl.Model(program, np.array([[1, 0, 3], [2, 2, 1]]))


@case(
    CONJUGATE,
    conjugate=("rows",),
    posterior=lambda: numpyro.sample(
        "rows", dist.Dirichlet(np.array([[1.0 + 1, 1 + 2], [1 + 1, 1 + 1]])).to_event(1)
    ),
)
def dirichlet_rows_of_an_observed_chain():
    def program(z):
        with numpyro.plate("states", 2):
            rows = numpyro.sample("rows", dist.Dirichlet(jnp.ones(2)))

        def step(last, z_t):
            return categorical("z", rows[last], obs=z_t), None

        scan(step, 0, z)

    return pdl.Model(program, np.array([0, 1, 0, 1, 1]))


@case(
    CONJUGATE,
    conjugate=("rate",),
    posterior=lambda: numpyro.sample("rate", dist.Gamma(2 + COUNTS.sum(), 1.5 + len(COUNTS))),
)
def gamma_poisson():
    def program(y):
        rate = numpyro.sample("rate", dist.Gamma(2, 1.5))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Poisson(rate), obs=y)

    return pdl.Model(program, COUNTS)


@case(
    CONJUGATE,
    conjugate=("rate",),
    posterior=lambda: numpyro.sample("rate", dist.Gamma(2.0 + COUNTS, 1.5 + 2.0 * WAITS).to_event(1)),
)
def gamma_poissons_with_exposures():
    def program(exposure, y):
        with numpyro.plate("n", len(y)):
            rate = numpyro.sample("rate", dist.Gamma(2, 1.5))
            numpyro.sample("y", dist.Poisson(2.0 * exposure * rate), obs=y)

    return pdl.Model(program, WAITS, COUNTS)


@case(
    CONJUGATE,
    conjugate=("rate",),
    posterior=lambda: numpyro.sample("rate", dist.Gamma(2 + len(WAITS), 1.5 + WAITS.sum())),
)
def gamma_exponential():
    def program(y):
        rate = numpyro.sample("rate", dist.Gamma(2, 1.5))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Exponential(rate), obs=y)

    return pdl.Model(program, WAITS)


@case(
    CONJUGATE,
    conjugate=("tau",),
    posterior=lambda: numpyro.sample("tau", dist.Gamma(2 + 3, 1.5 + 0.5 * np.sum((Y6 - 0.5) ** 2))),
)
def gamma_precision():
    def program(y):
        tau = numpyro.sample("tau", dist.Gamma(2, 1.5))
        with numpyro.plate("n", len(y)):
            normal("y", 0.5, 1 / jnp.sqrt(tau), obs=y)

    return pdl.Model(program, Y6)


@case(
    CONJUGATE,
    conjugate=("variance",),
    posterior=lambda: numpyro.sample("variance", dist.InverseGamma(3 + 3, 2 + 0.5 * np.sum((Y6 - 0.5) ** 2))),
)
def inverse_gamma_variance():
    def program(y):
        variance = numpyro.sample("variance", dist.InverseGamma(3, 2))
        with numpyro.plate("n", len(y)):
            normal("y", 0.5, jnp.sqrt(variance), obs=y)

    return pdl.Model(program, Y6)


@case(
    CONJUGATE,
    gaussian=("mu",),
    conjugate=("mu",),
    posterior=lambda: normal("mu", *gaussian_update(1.0, 1 / 4, Y6, 1 / 0.49)),
)
def normal_mean():
    def program(y):
        mu = normal("mu", 1.0, 2.0)
        with numpyro.plate("n", len(y)):
            normal("y", mu, 0.7, obs=y)

    return pdl.Model(program, Y6)


def normal_gamma_posterior():
    n, mean = len(Y6), Y6.mean()
    k, m0 = 0.5, 1.0
    spread = 0.5 * np.sum((Y6 - mean) ** 2) + 0.5 * k * n * (mean - m0) ** 2 / (k + n)
    tau = numpyro.sample("tau", dist.Gamma(2 + n / 2, 1.5 + spread))
    normal("mu", (k * m0 + n * mean) / (k + n), 1 / jnp.sqrt((k + n) * tau))


@case(
    CONJUGATE,
    gaussian=("mu",),
    conjugate=("tau", "mu"),
    posterior=normal_gamma_posterior,
)
def normal_gamma():
    def program(y):
        tau = numpyro.sample("tau", dist.Gamma(2, 1.5))
        mu = normal("mu", 1.0, 1 / jnp.sqrt(0.5 * tau))
        with numpyro.plate("n", len(y)):
            normal("y", mu, 1 / jnp.sqrt(tau), obs=y)

    return pdl.Model(program, Y6)


COLUMNS = np.array([[1.0, -1.2], [1.0, -0.3], [1.0, 0.1], [1.0, 0.4], [1.0, 1.1], [1.0, 2.0]])
INVERSE_SCALES = np.array([0.25, 1.0])


def regression_posterior():
    precision = np.diag(INVERSE_SCALES) + COLUMNS.T @ COLUMNS
    loc = np.linalg.solve(precision, COLUMNS.T @ Y6)
    spread = 0.5 * (Y6 @ Y6 - loc @ precision @ loc)
    variance = numpyro.sample("variance", dist.InverseGamma(2 + len(Y6) / 2, 1.5 + spread))
    covariance = variance * np.linalg.inv(precision)
    numpyro.sample("w", dist.MultivariateNormal(loc, covariance))


@case(CONJUGATE, gaussian=("w",), conjugate=("variance", "w"), posterior=regression_posterior)
def regression_of_unknown_variance():
    def program(y):
        variance = numpyro.sample("variance", dist.InverseGamma(2, 1.5))
        scale = jnp.sqrt(variance)
        w = numpyro.sample("w", dist.Normal(0, scale / np.sqrt(INVERSE_SCALES)).to_event(1))
        with numpyro.plate("n", len(y)):
            normal("y", COLUMNS @ w, scale, obs=y)

    return pdl.Model(program, Y6)


MEMBER = np.array([0, 1, 0, 1, 1, 0])


def groups_posterior():
    number = np.bincount(MEMBER)
    mean = np.bincount(MEMBER, Y6) / number
    spread = np.bincount(MEMBER, (Y6 - mean[MEMBER]) ** 2) / 2 + number * mean**2 / (1 + number) / 2
    with numpyro.plate("groups", 2):
        tau = numpyro.sample("tau", dist.Gamma(2 + number / 2, 1.5 + spread))
        normal("mu", number * mean / (1 + number), 1 / jnp.sqrt((1 + number) * tau))


@case(CONJUGATE, gaussian=("mu",), conjugate=("tau", "mu"), posterior=groups_posterior)
def normal_gammas_in_a_plate():
    def program(y):
        with numpyro.plate("groups", 2):
            tau = numpyro.sample("tau", dist.Gamma(2, 1.5))
            mu = normal("mu", 0.0, 1 / jnp.sqrt(tau))
        with numpyro.plate("n", len(y)):
            normal("y", mu[MEMBER], 1 / jnp.sqrt(tau[MEMBER]), obs=y)

    return pdl.Model(program, Y6)


def walk_posterior():
    """By the precision of a random walk, in units of the unknown scale."""
    steps = np.tril(np.ones((4, 4))) * 0.5
    precision = np.linalg.inv(steps @ steps.T) + np.eye(4)
    loc = np.linalg.solve(precision, Y6[:4])
    spread = 0.5 * (Y6[:4] @ Y6[:4] - loc @ precision @ loc)
    variance = numpyro.sample("variance", dist.InverseGamma(3 + 4 / 2, 1.0 + spread))
    numpyro.sample("x", dist.MultivariateNormal(loc, variance * np.linalg.inv(precision)))


@case(CONJUGATE, gaussian=("x",), conjugate=("variance", "x"), posterior=walk_posterior)
def walk_of_unknown_scale():
    def program(y):
        variance = numpyro.sample("variance", dist.InverseGamma(3, 1))
        scale = jnp.sqrt(variance)

        def step(x, y_t):
            x = normal("x", x, 0.5 * scale)
            normal("y", x, scale, obs=y_t)
            return x, None

        scan(step, 0.0, y)

    return pdl.Model(program, Y6[:4])


@case(
    CONJUGATE,
    gaussian=("mu",),
    conjugate=("tau", "mu"),
    refusal="another unit",
    refused=("tau",),
)
def semiconjugate():
    def program(y):
        tau = numpyro.sample("tau", dist.Gamma(2, 1.5))
        mu = normal("mu", 1.0, 2.0)
        with numpyro.plate("n", len(y)):
            normal("y", mu, 1 / jnp.sqrt(tau), obs=y)

    return pdl.Model(program, Y6)


@case(
    CONJUGATE,
    conjugate=("rates",),
    refusal="it needs the rates",
    refused=("rate",),
)
def rates_of_an_unknown_rate():
    def program(counts):
        rate = numpyro.sample("rate", dist.Gamma(2, 1.5))
        with numpyro.plate("n", len(counts)):
            rates = numpyro.sample("rates", dist.Gamma(1.5, rate))
            numpyro.sample("counts", dist.Poisson(rates), obs=counts)

    return pdl.Model(program, COUNTS[:4])


LABELS, WORDS = np.array([0, 1, 1, 0, 1]), np.array([2, 0, 0, 1, 2])


def labelled_posterior():
    seen = np.zeros((2, 3))
    np.add.at(seen, (LABELS, WORDS), 1)
    numpyro.sample("shares", dist.Dirichlet(np.array([1.0 + 2, 1.0 + 3])))
    numpyro.sample("words", dist.Dirichlet(0.5 + seen).to_event(1))


@case(CONJUGATE, conjugate=("shares", "words"), posterior=labelled_posterior)
def naive_bayes_of_labelled_data():
    def program(labels, words):
        shares = numpyro.sample("shares", dist.Dirichlet(jnp.ones(2)))
        with numpyro.plate("classes", 2):
            table = numpyro.sample("words", dist.Dirichlet(jnp.full(3, 0.5)))
        with numpyro.plate("n", len(labels)):
            label = categorical("label", shares, obs=labels)
            categorical("word", table[label], obs=words)

    return pdl.Model(program, LABELS, WORDS)


COVARIANCE = np.array([[1.0, 0.4], [0.4, 0.6]])
PAIRS = np.array([[0.3, 1.2], [1.4, -0.4], [0.1, 0.9]])


def multivariate_mean_posterior():
    precision = np.eye(2) / 4 + 3 * np.linalg.inv(COVARIANCE)
    loc = np.linalg.solve(precision, np.linalg.inv(COVARIANCE) @ PAIRS.sum(0))
    numpyro.sample("mu", dist.MultivariateNormal(loc, precision_matrix=precision))


@case(CONJUGATE, gaussian=("mu",), conjugate=("mu",), posterior=multivariate_mean_posterior)
def multivariate_normal_mean():
    def program(y):
        mu = numpyro.sample("mu", dist.MultivariateNormal(jnp.zeros(2), 4 * jnp.eye(2)))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.MultivariateNormal(mu, COVARIANCE), obs=y)

    return pdl.Model(program, PAIRS)


@case(
    CONJUGATE,
    conjugate=("precision",),
    posterior=lambda: numpyro.sample(
        "precision", dist.Wishart(4.0 + 3, rate_matrix=np.eye(2) + PAIRS.T @ PAIRS)
    ),
)
def wishart_precision():
    def program(y):
        precision = numpyro.sample("precision", dist.Wishart(4.0, rate_matrix=jnp.eye(2)))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.MultivariateNormal(jnp.zeros(2), precision_matrix=precision), obs=y)

    return pdl.Model(program, PAIRS)


def normal_wishart_posterior():
    n, mean = len(PAIRS), PAIRS.mean(0)
    spread = (PAIRS - mean).T @ (PAIRS - mean) + 0.5 * n / (0.5 + n) * np.outer(mean - 1, mean - 1)
    precision = numpyro.sample("precision", dist.Wishart(4.0 + n, rate_matrix=np.eye(2) + spread))
    loc = (0.5 * np.ones(2) + n * mean) / (0.5 + n)
    numpyro.sample("mu", dist.MultivariateNormal(loc, precision_matrix=(0.5 + n) * precision))


@case(CONJUGATE, gaussian=("mu",), conjugate=("precision", "mu"), posterior=normal_wishart_posterior)
def normal_wishart():
    def program(y):
        precision = numpyro.sample("precision", dist.Wishart(4.0, rate_matrix=jnp.eye(2)))
        mu = numpyro.sample("mu", dist.MultivariateNormal(jnp.ones(2), precision_matrix=0.5 * precision))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.MultivariateNormal(mu, precision_matrix=precision), obs=y)

    return pdl.Model(program, PAIRS)


def two_blocks_posterior():
    numpyro.sample("p", dist.Beta(2 + BITS.sum(), 3 + (1 - BITS).sum()))
    numpyro.sample("rate", dist.Gamma(2 + COUNTS.sum(), 1.5 + len(COUNTS)))


@case(CONJUGATE, conjugate=("p", "rate"), posterior=two_blocks_posterior)
def two_conjugate_blocks():
    def program(bits, counts):
        p = numpyro.sample("p", dist.Beta(2, 3))
        rate = numpyro.sample("rate", dist.Gamma(2, 1.5))
        with numpyro.plate("n", len(bits)):
            bernoulli("bits", p, obs=bits)
        with numpyro.plate("m", len(counts)):
            numpyro.sample("counts", dist.Poisson(rate), obs=counts)

    return pdl.Model(program, BITS, COUNTS)


PIXELS = np.array([[1, 0, 0, 1, 1], [0, 0, 1, 1, 0], [1, 1, 1, 0, 0]])


def inked_posterior():
    inked, blank = np.zeros((3, 2)), np.zeros((3, 2))
    for n, label in enumerate(LABELS):
        inked[:, label] += PIXELS[:, n]
        blank[:, label] += 1 - PIXELS[:, n]
    numpyro.sample("ink", dist.Beta(2.0 + inked, 1.5 + blank).to_event(2))


@case(CONJUGATE, conjugate=("ink",), posterior=inked_posterior)
def beta_of_each_pixel_and_label():
    """Labels look one plate up, and the other stays aligned."""

    def program(labels, pixels):
        rows = numpyro.plate("pixel", 3, dim=-2)
        with numpyro.plate("class", 2, dim=-1), rows:
            ink = numpyro.sample("ink", dist.Beta(2.0, 1.5))
        with numpyro.plate("image", len(labels), dim=-1), rows:
            bernoulli("pixels", jnp.take(ink, labels, axis=1), obs=pixels)

    return pdl.Model(program, LABELS, PIXELS)


def rates_in_one_event_posterior():
    count, total = np.array([(k == GROUP).sum() for k in range(3)]), np.zeros(3)
    np.add.at(total, GROUP, COUNTS7)
    numpyro.sample("rate", dist.Gamma(2.0 + total, 1.5 + count).to_event(1))


COUNTS7 = np.array([2, 0, 5, 1, 1, 3, 4])


@case(CONJUGATE, conjugate=("rate",), posterior=rates_in_one_event_posterior)
def gammas_in_one_event():
    """Several values of a family in no plate, of which data read one each."""

    def program(group, y):
        rate = numpyro.sample("rate", dist.Gamma(2.0, 1.5).expand([3]).to_event(1))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Poisson(rate[group]), obs=y)

    return pdl.Model(program, GROUP, COUNTS7)


@case(CONJUGATE, conjugate=("rate",), posterior=rates_in_one_event_posterior)
def gammas_in_no_plate():
    def program(group, y):
        rate = numpyro.sample("rate", dist.Gamma(jnp.full(3, 2.0), 1.5))
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Poisson(rate[group]), obs=y)

    return pdl.Model(program, GROUP, COUNTS7)


def rows_posterior():
    seen = np.zeros((2, 3))
    np.add.at(seen, (LABELS, WORDS), 1)
    numpyro.sample("rows", dist.Dirichlet(0.5 + seen).to_event(1))


@case(CONJUGATE, conjugate=("rows",), posterior=rows_posterior)
def dirichlet_rows_in_one_event():
    def program(labels, words):
        rows = numpyro.sample("rows", dist.Dirichlet(jnp.full(3, 0.5)).expand([2]).to_event(1))
        with numpyro.plate("n", len(labels)):
            categorical("word", rows[labels], obs=words)

    return pdl.Model(program, LABELS, WORDS)


# Not exact


def refuse(site, reason, **what):
    return case(NOT_EXACT, refused=(site,), refusal=reason, **what)


@refuse("x", "floor(x): piecewise constant, though its derivative is zero")
def floor_of_a_gaussian():
    def program(y):
        x = normal("x", 0, 2)
        normal("y", jnp.floor(x), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("x", "where(x > 0): piecewise")
def where_on_a_gaussian():
    def program(y):
        x = normal("x", 0, 2)
        normal("y", jnp.where(x > 0, x, 0.1 * x), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("x", "stop_gradient(x): its derivatives do not tell what its values are")
def stopped_gradient():
    def program(y):
        x = normal("x", 0, 2)
        normal("y", jax.lax.stop_gradient(x), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("x", "|x|: piecewise")
def absolute_value_of_a_gaussian():
    def program(y):
        x = normal("x", 0, 2)
        normal("y", jnp.abs(x), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("x", "where(x > 20): piecewise, ten prior standard deviations away")
def where_far_away():
    def program(y):
        x = normal("x", 0, 2)
        normal("y", jnp.where(x > 20.0, 20.0, x), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@case(
    NOT_EXACT,
    gaussian=("u",),
    refused=("v",),
    refusal="u v: each is Gaussian given the other, both together are not",
)
def bilinear():
    def program(y):
        u, v = normal("u", 0, 1), normal("v", 0, 1)
        normal("y", u * v, 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("a", "exp(a) is not affine")
def exponential_of_a_gaussian():
    def program(y):
        a = normal("a", 0, 1)
        normal("y", jnp.exp(a), 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("a", "a is the log scale of x", gaussian=("x",))
def log_scale():
    def program(y):
        a = normal("a", 0, 1)
        x = normal("x", 0, jnp.exp(a))
        normal("y", x, 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("x", "a quartic factor")
def quartic():
    def program():
        x = normal("x", 0, 1)
        numpyro.factor("quartic", -((x - 1) ** 4))

    return pdl.Model(program)


@refuse("w", "a logistic likelihood")
def logistic_regression():
    def program(x, y):
        w = normal("w", 0, 1)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.Bernoulli(logits=w * x), obs=y)

    return pdl.Model(program, Y6, BITS)


@refuse("x", "a Student t likelihood")
def robust_likelihood():
    def program(y):
        x = normal("x", 0, 2)
        with numpyro.plate("n", len(y)):
            numpyro.sample("y", dist.StudentT(4.0, x, 1.0), obs=y)

    return pdl.Model(program, Y6)


@refuse("x", "a Cauchy prior")
def cauchy_prior():
    def program(y):
        x = numpyro.sample("x", dist.Cauchy(0, 1))
        with numpyro.plate("n", len(y)):
            normal("y", x, 1.0, obs=y)

    return pdl.Model(program, Y6)


@refuse("x", "a prior of bounded support")
def truncated_prior():
    def program(y):
        x = numpyro.sample("x", dist.TruncatedNormal(0.0, 1.0, low=0.0))
        with numpyro.plate("n", len(y)):
            normal("y", x, 1.0, obs=y)

    return pdl.Model(program, Y6)


@refuse("tau", "a half-Cauchy scale is no conjugate prior")
def half_cauchy_scale():
    def program(y):
        tau = numpyro.sample("tau", dist.HalfCauchy(1.0))
        with numpyro.plate("n", len(y)):
            normal("y", 0.5, tau, obs=y)

    return pdl.Model(program, Y6)


@refuse("k", "a Poisson latent has infinitely many states")
def infinite_support():
    def program(y):
        k = numpyro.sample("k", dist.Poisson(3.0))
        normal("y", k, 1.0, obs=y)

    return pdl.Model(program, 2.4)


@refuse("mu", "a subsampled plate draws other data at each run")
def subsampled_plate():
    def program(y):
        mu = normal("mu", 0, 1)
        with numpyro.plate("n", len(y), subsample_size=3) as index:
            normal("y", mu, 1.0, obs=y[index])

    return pdl.Model(program, Y6)


@refuse("x", "a discrete site reads it: the switch is no Gaussian likelihood")
def discrete_child_of_a_gaussian():
    def program(y):
        x = normal("x", 0, 1)
        z = numpyro.sample("z", dist.Bernoulli(logits=x))
        normal("y", 2.0 * z, 1.0, obs=y)

    return pdl.Model(program, 1.2)


@refuse("z", "a table of 2^40 entries: every element of z reads every other")
def too_large_a_table():
    def program(total):
        with numpyro.plate("n", 40):
            z = bernoulli("z", 0.5)
        numpyro.factor("parity", jnp.sum(jnp.outer(z, z) * jnp.outer(z, total)))

    return pdl.Model(program, np.linspace(-1, 1, 40))


@refuse("w", "w multiplies itself through a scan: a polynomial of degree T")
def polynomial_through_a_scan():
    def program(y):
        w = normal("w", 0, 1)

        def step(x, y_t):
            x = w * x
            normal("y", x, 1.0, obs=y_t)
            return x, None

        scan(step, 1.0, y)

    return pdl.Model(program, Y6)


@refuse("y_unobserved", "a masked element has no density: its integral is infinite", gaussian=("x",))
def imputed_normals():
    def program(y, seen):
        x = normal("x", 0, 2)
        with numpyro.plate("n", len(y)):
            normal("y", x, 0.5, obs=y, obs_mask=seen)

    return pdl.Model(program, Y6[:4], np.array([True, False, True, True]))


@refuse("p", "clip(p): another function close to the ends, where much of the probability is")
def clipped_proportion():
    def program(y):
        p = numpyro.sample("p", dist.Beta(0.001, 0.001))
        with numpyro.plate("n", len(y)):
            bernoulli("y", jnp.clip(p, 1e-5, 1 - 1e-5), obs=y)

    return pdl.Model(program, BITS)


@refuse("rate", "maximum(rate, 1e-6): so close to zero that no point tells")
def rate_with_a_floor():
    def program(y):
        rate = numpyro.sample("rate", dist.Gamma(0.01, 0.01))
        normal("y", 0.0, 1 / jnp.sqrt(jnp.maximum(rate, 1e-6)), obs=y)

    return pdl.Model(program, 0.1)


@jax.custom_vjp
def doubled_by_hand(x):
    return 2 * x


doubled_by_hand.defvjp(lambda x: (2 * x, None), lambda _, slope: (2 * slope,))


@refuse("x", "custom_vjp: JAX cannot take its second derivative")
def first_derivative_by_hand():
    def program(y):
        with numpyro.plate("n", len(y)):
            normal("y", doubled_by_hand(normal("x", 0, 1)), 1.0, obs=y)

    return pdl.Model(program, Y6)


@refuse("x", "a while loop: JAX cannot derive it backward")
def loop_of_unknown_length():
    def program(y):
        x = normal("x", 0, 1)
        _, x = jax.lax.while_loop(lambda c: c[0] < 3, lambda c: (c[0] + 1, 0.9 * c[1]), (0, x))
        normal("y", x, 1.0, obs=y)

    return pdl.Model(program, 0.3)
