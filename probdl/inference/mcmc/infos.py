"""What is recorded of a transition that is made of others: statistics by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array

SUMS = ("n_steps", "n_evaluations")
MEANS = ("acceptance_rate",)
FLAGS = ("diverging", "reached_max_tree_depth")


@jax.tree_util.register_pytree_with_keys_class
class Infos:
    """Statistics by name; a statistic is an attribute, as it is of the `Info` of other methods.

    Args:
        stats: The statistics.

    Example:
        >>> Infos({"lp": 0.5}).lp
        0.5
    """

    def __init__(self, stats: Mapping[str, Any]) -> None:
        self._stats = dict(stats)

    def __getattr__(self, name: str) -> Any:
        """Return a statistic."""
        if name.startswith("__") or name not in self.__dict__.get("_stats", {}):
            raise AttributeError(f"no statistic '{name}'")
        return self._stats[name]

    def _asdict(self) -> dict[str, Any]:
        return dict(self._stats)

    def tree_flatten_with_keys(self) -> tuple[Any, tuple[str, ...]]:
        """Return the statistics and their names."""
        keys = tuple(self._stats)
        return tuple((jax.tree_util.DictKey(k), self._stats[k]) for k in keys), keys

    @classmethod
    def tree_unflatten(cls, names: tuple[str, ...], values: Any) -> Infos:
        """Return the statistics under their names."""
        return cls(dict(zip(names, values, strict=True)))


def labelled(info: Any, label: str) -> dict[str, Array]:
    """Return the statistics of one part of a transition, under names that say which.

    Args:
        info: What is recorded of it.
        label: The part.

    Returns:
        Statistics by name.

    Example:
        >>> labelled(Infos({"lp": 0.5}), "mu")
        {'lp of mu': 0.5}
    """
    return {f"{name} of {label}": value for name, value in info._asdict().items()}


def part(stats: Mapping[str, Any], label: str) -> dict[str, Any]:
    """Return the statistics of one part under their own names: what `labelled` has done is undone.

    Example:
        >>> part({"lp of mu": 0.5, "lp": 1.0}, "mu")
        {'lp': 0.5}
    """
    end = f" of {label}"
    return {name.removesuffix(end): value for name, value in stats.items() if name.endswith(end)}


def together(infos: list[Any]) -> dict[str, Array]:
    """Return what holds of all parts of a transition: gradients add up, one divergence is enough.

    Args:
        infos: What is recorded of each.

    Returns:
        Statistics by name, of those that any of the parts has.

    Example:
        >>> parts = [Infos({"n_steps": jnp.array(3)}), Infos({"n_steps": jnp.array(4)})]
        >>> {name: int(value) for name, value in together(parts).items()}
        {'n_steps': 7}
    """
    rules: dict[str, Callable[[Array], Array]] = {
        **dict.fromkeys(SUMS, jnp.sum),
        **dict.fromkeys(MEANS, jnp.mean),
        **dict.fromkeys(FLAGS, jnp.any),
    }
    every = [info._asdict() for info in infos]
    found = {name: [stats[name] for stats in every if name in stats] for name in rules}
    return {name: rules[name](jnp.stack(values)) for name, values in found.items() if values}
