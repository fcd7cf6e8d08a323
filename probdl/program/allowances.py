"""What some programs need beyond a plain trace: each allowed only where a program asks for it."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer
from numpyro import plate


class Allowance(enum.Enum):
    """Something that a plain trace refuses and that a reasonable program may do."""

    EAGER_DATA = "arithmetic on data alone is done while tracing"
    NUMPY_ON_LATENTS = "NumPy functions of a latent become those of jax.numpy"
    JAX_INPUTS = "arrays among the inputs become those of jax.numpy, which a latent can index"
    EMPTY_PLATES = "plates of size zero"


@contextlib.contextmanager
def allow(allowances: Iterable[Allowance]) -> Iterator[None]:
    """Trace a block under some allowances; everything is as before when it ends.

    Args:
        allowances: What to allow.

    Yields:
        Nothing.
    """
    contexts = {
        Allowance.EAGER_DATA: jax.ensure_compile_time_eval,
        Allowance.NUMPY_ON_LATENTS: _numpy_on_tracers,
        Allowance.JAX_INPUTS: contextlib.nullcontext,
        Allowance.EMPTY_PLATES: _empty_plates,
    }
    with contextlib.ExitStack() as stack:
        for allowance in allowances:
            stack.enter_context(contexts[allowance]())
        yield


@contextlib.contextmanager
def _numpy_on_tracers() -> Iterator[None]:
    def ufunc(_: Any, function: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or options:
            return NotImplemented
        return getattr(jnp, function.__name__)(*inputs)

    def function(_: Any, called: Any, __: Any, args: tuple, options: dict[str, Any]) -> Any:
        return getattr(jnp, called.__name__)(*args, **options)

    tracer: Any = Tracer
    tracer.__array_ufunc__, tracer.__array_function__ = ufunc, function
    try:
        yield
    finally:
        del tracer.__array_ufunc__, tracer.__array_function__


@contextlib.contextmanager
def _empty_plates() -> Iterator[None]:
    original = plate.__init__

    def init(
        self: Any, name: str, size: int, subsample_size: int | None = None, dim: int | None = None
    ) -> None:
        original(self, name, max(size, 1), subsample_size, dim)
        if size == 0:
            self.size = self.subsample_size = 0
            self._indices = self._indices[:0]

    plate.__init__ = init
    try:
        yield
    finally:
        plate.__init__ = original
