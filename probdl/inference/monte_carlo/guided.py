"""What methods that draw from a guide share."""

from __future__ import annotations

from dataclasses import dataclass

from probdl.inference.monte_carlo.guides import Guide, obstacle
from probdl.inference.monte_carlo.independent import IndependentDraws
from probdl.inference.monte_carlo.laplace import LaplaceGuide
from probdl.program.model import Model


@dataclass(frozen=True, kw_only=True)
class Guided(IndependentDraws):
    """A method that draws all latents from a guide.

    Attributes:
        guide: What they are drawn from; None: the prior.
    """

    guide: Guide | None = None

    def __post_init__(self) -> None:
        """Check the guide and the numbers."""
        super().__post_init__()
        check_kind("guide", self.guide)

    @property
    def instead(self) -> str:
        """What to do with a model that nothing can be proposed for."""
        return "Pass a guide program that draws all latents, or call NUTS() or infer(model, key=0)."

    def applicable(self, model: Model) -> str | None:
        """Return why nothing can be proposed for a model, if so."""
        return obstacle(model, self.guide)


def check_kind(name: str, guide: Guide | None) -> None:
    """Check that something can be a guide.

    Args:
        name: Name of the argument, for the message.
        guide: The guide.

    Raises:
        TypeError: If it cannot.
    """
    if guide is not None and not callable(guide) and not isinstance(guide, Model | LaplaceGuide):
        raise TypeError(
            f"Expected {name} to be a NumPyro program, a Model of one, LaplaceGuide() or None; got {guide!r}."
        )
