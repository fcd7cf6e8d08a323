"""What a method of inference is: a frozen set of hyper-parameters that says whether and how it runs."""

from __future__ import annotations

import abc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jaxtyping import Array

from probdl.program.model import Model

if TYPE_CHECKING:
    from probdl.inference.result import Result

NO_LATENT = "the program has no latent site, and model.log_joint({}) is its log evidence"


@dataclass(frozen=True)
class Options:
    """What a caller asks of a run beyond the method: where draws go, and how they are labelled.

    Attributes:
        store: A zarr folder that draws are appended to, or None to keep them in memory.
        overwrite: Whether an existing store may be replaced.
        progress: Whether a progress bar is shown; None: if stderr is a terminal.
        dims: Names of the dimensions of sites.
        coords: Coordinates of dimensions.
    """

    store: Path | None = None
    overwrite: bool = False
    progress: bool | None = None
    dims: Mapping[str, Sequence[str]] = field(default_factory=dict)
    coords: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Method(abc.ABC):
    """A method of inference. Its fields are its hyper-parameters; it holds no state.

    A new method subclasses the family that it belongs to (such as `MarkovChain`), which says how it runs.
    """

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
