"""Bernoulli mixture: three digits are told apart by 60 images of them, when ten of each were named.

    weight ~ Dirichlet(1, 1, 1)
    ink_pk ~ Beta(1, 1)                                 how often pixel p is inked in images of class k
    exemplar_epk ~ Bernoulli(ink_pk)                    named images: e-th of class k
    z_n ~ Categorical(weight)
    inked_pn ~ Bernoulli(ink_{p, z_n})

Naive Bayes with classes that nobody saw. `infer` sums z out, samples ink and weight, and draws z back. Named
images say which class is which. Without them, or with three of each, chains that start apart stay apart: some
order the classes otherwise, in others one class has the images of two digits.

At ink = (1 + inked) / (2 + images) with the true digits, and equal weights, log p(inked) = -1002.669 nats,
and all 60 images get their digit right, each with a probability of 0.928 or more. With ink from the named
images alone it is -1355.192.

Source: Bishop & Bishop (2023), §15.3.3 (mixtures of Bernoulli distributions). Data:
`sklearn.datasets.load_digits`, images of 8 x 8 pixels of the digits 2, 3 and 4: the first ten of each, then
the next 60; a pixel is inked if it is darker than half of the scale.
"""

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

DIGITS = np.array([2, 3, 4])
NAMED = 10


def program(inked=None, exemplar=None, *, num_images=60, num_pixels=64):
    weight = numpyro.sample("weight", dist.Dirichlet(jnp.ones(len(DIGITS))))
    pixels = numpyro.plate("pixel", num_pixels, dim=-2)
    with numpyro.plate("class", len(DIGITS), dim=-1), pixels:
        ink = numpyro.sample("ink", dist.Beta(1, 1))
        with numpyro.plate("named", NAMED, dim=-3):
            numpyro.sample("exemplar", dist.Bernoulli(ink), obs=exemplar)
    with numpyro.plate("image", num_images, dim=-1):
        z = numpyro.sample("z", dist.CategoricalProbs(weight))
        with pixels:
            numpyro.sample("inked", dist.Bernoulli(jnp.take(ink, z, axis=1)), obs=inked)


def data() -> dict[str, np.ndarray]:
    """Return 1 for each inked pixel of images (pixel, image) and exemplars (named, pixel, class)."""
    from sklearn.datasets import load_digits

    pixels, digit = map(np.asarray, load_digits(return_X_y=True))
    chosen = np.isin(digit, DIGITS)
    digit, inked = digit[chosen], (pixels[chosen] > 8).astype(int)
    named = np.array([np.flatnonzero(digit == one)[:NAMED] for one in DIGITS])
    others = np.delete(np.arange(len(digit)), named)[:60]
    return {"inked": inked[others].T, "exemplar": inked[named].transpose(1, 2, 0)}


def model() -> pdl.Model:
    """Return the program with its data."""
    return pdl.Model(program, **data())
