"""Vowels: a hidden Markov model with two states, to which nobody says what a vowel is.

    z_1 ~ Categorical(start),  z_t ~ Categorical(transition[z_{t-1}])
    y_t ~ Categorical(letter[z_t])                      letters a to z, and the space

One state emits a, e, i, o and the space, the other all other letters: languages alternate between vowels and
consonants. log p(y) = -2212.320 nats; letters without states have -2309.444.

Source: Bishop & Bishop (2023), §11.3 (hidden Markov models); Cave & Neuwirth, Hidden Markov models for
English (1980). Data: the words of an essay on style, The Zen of Python by Tim Peters, which comes with
Python.
"""

import codecs
import contextlib
import importlib
import io
from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro.contrib.control_flow import scan
from numpyro.distributions import constraints

import probdl as pdl

ALPHABET = "abcdefghijklmnopqrstuvwxyz "
METHOD = pdl.EM(num_restarts=8, max_steps=2000, accelerate=pdl.SQUAREM())


def program(y=None, *, length=819, num_states=2):
    states = jnp.ones(num_states) / num_states
    start = numpyro.param("start", states, constraint=constraints.simplex)
    moves = jnp.broadcast_to(states, (num_states, num_states))
    transition = cast(jax.Array, numpyro.param("transition", moves, constraint=constraints.simplex))
    letters = jnp.ones((num_states, len(ALPHABET))) / len(ALPHABET)
    letter = cast(jax.Array, numpyro.param("letter", letters, constraint=constraints.simplex))

    def step(before, seen):
        z = numpyro.sample("z", dist.CategoricalProbs(transition[before]))
        numpyro.sample("y", dist.CategoricalProbs(letter[z]), obs=seen)
        return z, None

    scan(step, numpyro.sample("z_0", dist.CategoricalProbs(start)), y, length=length)


def data() -> dict[str, np.ndarray]:
    """Return the letters of the essay as numbers; whatever stands between words is one space."""
    with contextlib.redirect_stdout(io.StringIO()):  # it prints itself
        essay = codecs.decode(importlib.import_module("this").s, "rot13")
    words = "".join(c if c in ALPHABET else " " for c in essay.lower().replace("'", "")).split()
    return {"y": np.array([ALPHABET.index(c) for c in " ".join(words)])}


def model(num_states: int = 2) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_states: Number of hidden states.
    """
    y = data()["y"]
    return pdl.Model(program, y, length=len(y), num_states=num_states)
