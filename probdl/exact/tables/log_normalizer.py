"""The log of the sum of a product of tables, in JAX: its derivatives are the posterior marginals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from probdl.exact.chains.logarithms import log_sum
from probdl.exact.tables.order import members
from probdl.exact.tables.plan import Plan
from probdl.exact.tables.prepared import Prepared


def log_normalizer(plan: Plan, log_tables: Sequence[Float[Array, ...]]) -> Float[Array, ""]:
    """Return the log of the sum over all variables of the product of tables.

    log Z = log sum_x prod_a exp(log f_a(x_a)). The derivative of log Z in log f_a is the posterior marginal
    of x_a; where Z is zero, log Z is minus infinity and all derivatives are zero.

    Args:
        plan: The plan; no variable may be kept.
        log_tables: Logs of the tables, in nats; minus infinity is allowed.

    Returns:
        log Z, in nats, in the precision of the tables.

    Example:
        >>> from probdl.exact.tables.plan import make_plan
        >>> plan = make_plan([2], [(0,), (0,)], order=[0])
        >>> tables = [jnp.log(jnp.array([0.5, 0.5])), jnp.log(jnp.array([0.2, 0.6]))]
        >>> print(f"{jnp.exp(log_normalizer(plan, tables)):.2f}")
        0.40
        >>> [f"{p:.2f}" for p in jax.grad(log_normalizer, argnums=1)(plan, tables)[0].tolist()]
        ['0.25', '0.75']

    Source:
        Darwiche (2003), doi:10.1145/765568.765570.
    """
    log_scales: list[Array] = []
    values: list[Array] = []
    for table in map(jnp.asarray, log_tables):
        highest = jax.lax.stop_gradient(table.max())
        highest = jnp.where(jnp.isfinite(highest), highest, 0)
        log_scales.append(highest)
        values.append(_positive(jnp.exp(jnp.where(table > -jnp.inf, table - highest, -jnp.inf))))
    axes = list(plan.scopes)
    for step in plan.steps:
        scope = tuple(members(step.scope))
        made = _contract(
            [values[table] for table in step.tables], [axes[table] for table in step.tables], scope
        )
        scale = jax.lax.stop_gradient(made.max())
        scale = jnp.where(scale > 0, scale, 1)
        log_scales.append(jnp.log(scale))
        values.append(_positive(made / scale))
        axes.append(scope)
    scalars = jnp.stack([values[table] for table in plan.left])
    possible = (scalars > 0).all()
    total = jnp.stack(log_scales).sum() + jnp.log(jnp.where(possible, scalars, 1)).sum()
    return jnp.where(possible, total, -jnp.inf)


def log_normalizer_of_runs(
    prepared: Prepared, log_tables: Sequence[Float[Array, ...]], states: Mapping[int, Any]
) -> Float[Array, ""]:
    """Return the log of the sum over all variables, those that are held in turn included.

    One run is traced, whatever their number, and one at a time is kept: it runs again for its derivatives.

    Args:
        prepared: What is ready to run; no variable may be kept.
        log_tables: Logs of all tables, in nats.
        states: The observed states; they may be traced.

    Returns:
        The log, in nats.
    """
    conditioned, restriction = prepared.conditioned, prepared.restriction

    def run(held: Mapping[int, Any]) -> Array:
        return log_normalizer(conditioned.plans[0], restriction.sliced(log_tables, {**states, **held}))

    if not conditioned.cut:
        return run({})
    shape = conditioned.shape

    @jax.checkpoint
    def numbered(number: Array) -> Array:
        return run(dict(zip(conditioned.cut, jnp.unravel_index(number, shape), strict=True)))

    return log_sum(jax.lax.map(numbered, jnp.arange(math.prod(shape))))


def _contract(
    tables: Sequence[Array], scopes: Sequence[tuple[int, ...]], scope: tuple[int, ...]
) -> Float[Array, ...]:
    """Multiply tables and sum out what is not in the scope: Einstein's sum with small numbers for axes."""
    number = {v: i for i, v in enumerate(dict.fromkeys(v for own in scopes for v in own))}
    parts = []
    for table, own in zip(tables, scopes, strict=True):
        parts += [table, [number[v] for v in own]]
    return jnp.einsum(*parts, [number[v] for v in scope], precision=jax.lax.Precision.HIGHEST)


def _positive(table: Float[Array, ...]) -> Float[Array, ...]:
    """Return a table itself, through whose zeros no derivative passes: there they may overflow."""
    return jnp.where(table > 0, table, 0)
