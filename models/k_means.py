"""K-means: the colours of a photograph, as the limit of a mixture whose components are points.

    z_n ~ Categorical(1/K, ..., 1/K)
    x_n ~ Normal(colour[z_n], spread)                   red, green and blue of pixel n, between 0 and 1

As the spread goes to zero each pixel belongs to the nearest colour alone, and EM is Lloyd's algorithm. Four
colours: a dark green, a brown, a grey and the blue of the sky, with shares of 0.242, 0.198, 0.128 and 0.432
of the pixels; 99 per cent of the pixels have a colour with a probability above 0.99.

Source: Bishop & Bishop (2023), §15.1 (k-means, image segmentation) and §15.3.2 (relation to k-means). Data:
every eighth row and column of `sklearn.datasets.load_sample_image("china.jpg")`.
"""

from typing import cast

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist

import probdl as pdl

METHOD = pdl.EM(start=pdl.KMeansStart(), num_restarts=3, order_by="colour")
STEP = 8


def program(x=None, *, num_pixels=54 * 80, num_colours=4, spread=0.02):
    colour = cast(jax.Array, numpyro.param("colour", jnp.full((num_colours, 3), 0.5)))
    with numpyro.plate("pixel", num_pixels):
        z = numpyro.sample("z", dist.CategoricalProbs(jnp.ones(num_colours) / num_colours))
        numpyro.sample("x", dist.Normal(colour[z], spread).to_event(1), obs=x)


def data() -> dict[str, np.ndarray]:
    """Return the colours of the pixels, row by row."""
    from sklearn.datasets import load_sample_image

    return {"x": np.asarray(load_sample_image("china.jpg"))[::STEP, ::STEP].reshape(-1, 3) / 255}


def model(num_colours: int = 4) -> pdl.Model:
    """Return the program with its data.

    Args:
        num_colours: Number of colours.
    """
    return pdl.Model(program, **data(), num_colours=num_colours)
