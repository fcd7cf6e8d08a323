"""What a method of inference is: a frozen set of hyper-parameters that says whether and how it runs."""

from __future__ import annotations

import abc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jaxtyping import Array

from probdl.program.model import Model

if TYPE_CHECKING:
    from jax.sharding import Mesh

    from probdl.inference.live import Snapshot, Until
    from probdl.inference.result import Result

NO_LATENT = "the program has no latent site, and model.log_joint({}) is its log evidence"


@dataclass(frozen=True)
class Options:
    """What a caller asks of a run beyond the method: where draws go, and how they are labelled.

    Attributes:
        store: A zarr folder that draws are appended to, or None to keep them in memory.
        checkpoint: A folder from which a killed run goes on, or None to keep nothing.
        overwrite: Whether an existing store may be replaced.
        resume: Whether the run in the store is gone on with.
        until: When to stop before all draws have been made.
        callback: What is told of each chunk; the run stops if it returns True.
        mesh: The devices that chains and data are spread over, or None for one.
        progress: Whether a progress bar is shown; None: if stderr is a terminal.
        dims: Names of the dimensions of sites.
        coords: Coordinates of dimensions.
    """

    store: Path | None = None
    checkpoint: Path | None = None
    overwrite: bool = False
    resume: bool = False
    until: Until | None = None
    callback: Callable[[Snapshot], object] | None = None
    mesh: Mesh | None = None
    progress: bool | None = None
    dims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    coords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method(abc.ABC):
    """A method of inference. Its fields are its hyper-parameters; it holds no state.

    A new method subclasses the family that it belongs to (such as `MarkovChain`), which says how it runs.
    """

    goes_on: ClassVar[bool] = False  # whether a run that was stopped can be gone on with

    def __str__(self) -> str:
        """Return the name with the hyper-parameters that are not the default ones."""
        values = {f.name: getattr(self, f.name) for f in fields(self) if getattr(self, f.name) != f.default}
        return f"{type(self).__name__}({', '.join(f'{name}={value}' for name, value in values.items())})"

    @abc.abstractmethod
    def applicable(self, model: Model) -> str | None:
        """Return why the method cannot treat a model, or None if it can.

        Args:
            model: The model.

        Returns:
            The site and what about it the method cannot treat.
        """

    @property
    def unlimited(self) -> Method:
        """The method, however many draws are asked for: a run that is gone on with has to share it."""
        return self

    @property
    @abc.abstractmethod
    def instead(self) -> str:
        """What to do with a model that the method cannot treat."""

    @abc.abstractmethod
    def run(self, key: Array, model: Model, options: Options) -> Result:
        """Run on a model that is applicable and whose data have been checked.

        Args:
            key: A JAX key.
            model: The model.
            options: Where draws go, and how they are labelled.

        Returns:
            The result.
        """


def at_least(name: str, value: Any, least: int) -> None:
    """Check an integer hyper-parameter.

    Args:
        name: Its name, for the message.
        value: Its value.
        least: The least value that makes sense.

    Raises:
        ValueError: If it is no integer, or less.

    Example:
        >>> at_least("num_samples", 100, 1)
    """
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(
            f"Expected {name} to be an integer of at least {least}; got {value!r}. "
            f"Pass for instance {name}={max(least, 1000 if name != 'num_chains' else 4)}."
        )
