"""What inference will do with a model, site by site, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass

from probdl.errors import NotApplicable
from probdl.exact.posteriors.posterior import instead_of_summing
from probdl.exact.programs.chain_steps import ChainStep, GaussianChainStep
from probdl.exact.programs.cost import operations
from probdl.exact.programs.search import Found
from probdl.exact.programs.variables import Kind
from probdl.exact.tables.network import network_posterior
from probdl.inference.exact import Exact
from probdl.inference.marginalized import Marginalized
from probdl.inference.mcmc.nuts import NUTS
from probdl.inference.method import NO_LATENT, Method
from probdl.program.model import Model

SAMPLE_IT = "Or call infer(model, Gibbs(), key=0), which draws what it can exactly and moves the rest."


@dataclass(frozen=True)
class Step:
    """What will be done with one latent site.

    Attributes:
        site: The site.
        action: What will be done.
        cost: How large it is, and about how many operations its integral takes.
        reason: What prevents better; "" where nothing does.
    """

    site: str
    action: str
    cost: str
    reason: str = ""


@dataclass(frozen=True, eq=False)
class Plan:
    """What `infer` does with a model when it is given no method. Prints itself as a table.

    Attributes:
        method: The method that is used, or None if there is none.
        steps: What is done with each latent site: the integrated ones in the order in which they go.
        cost: What is known of the cost of all together, in words.
        why_not: Why NUTS cannot sample what is left; "" where it can.
        instead: What to do about a site that leaves no method; "" where none does.
    """

    method: Method | None
    steps: tuple[Step, ...]
    cost: str = ""
    why_not: str = ""
    instead: str = ""

    @property
    def obstacle(self) -> Step | None:
        """The site that leaves no method, if there is one."""
        return next((step for step in self.steps if step.action == "no method"), None)

    @property
    def chosen(self) -> Method:
        """The method.

        Raises:
            NotApplicable: If there is none; the message names the site.
        """
        if self.method is not None:
            return self.method
        if not self.steps:
            raise NotApplicable("infer", NO_LATENT, "Take the data out of a site to infer it.")
        stuck = self.obstacle
        if stuck is None:
            raise NotApplicable("NUTS", self.why_not, NUTS().instead)
        reason = f"site '{stuck.site}' is discrete and cannot be summed out: {stuck.reason}"
        raise NotApplicable("infer", reason, self.instead)

    def __str__(self) -> str:
        """Return the table."""
        head = f"Method: {self.method}"
        if self.method is None:
            head = "Nothing can infer this model." if self.steps else f"Nothing to infer: {NO_LATENT}."
        if self.cost:
            head += f", by {self.cost}"
        rows = [(step.site, step.action, step.cost) for step in self.steps]
        widths = [max((len(row[i]) for row in rows), default=0) for i in range(3)]
        lines = [head]
        for step, row in zip(self.steps, rows, strict=True):
            text = "  ".join(part.ljust(width) for part, width in zip(row, widths, strict=True))
            lines.append(f"  {text}  {step.reason}".rstrip())
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        from html import escape

        cells = (
            "".join(f"<td>{escape(part)}</td>" for part in (s.site, s.action, s.cost, s.reason))
            for s in self.steps
        )
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        head = "".join(
            f"<th>{name}</th>" for name in ("site", "what is done", "size", "what prevents better")
        )
        return f"<p>{escape(str(self).splitlines()[0])}</p><table><tr>{head}</tr>{body}</table>"


def plan(model: Model) -> Plan:
    """Return what inference will do with a model, and why.

    Everything is exact where that is possible. Otherwise discrete sites, Gaussian blocks and conjugate sites
    are integrated out, the rest is sampled by NUTS, and the integrated sites are drawn back.

    Args:
        model: The model.

    Returns:
        The plan: it prints itself.

    Raises:
        TypeError: If it is no model.
        ValueError: If the program branches in Python on a latent, or an observation does not fit its site.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def program():
        ...     scale = numpyro.sample("scale", dist.HalfCauchy(1))
        ...     x = numpyro.sample("x", dist.Normal(0, scale))
        ...     numpyro.sample("y", dist.Normal(x, 1), obs=2.0)
        >>> print(plan(Model(program)))
        Method: Marginalized(inner=NUTS())
          x      integrated as a Gaussian  1 coordinate, 1 operation
          scale  sampled by NUTS           1 coordinate               not conjugate: HalfCauchy prior
    """
    if not isinstance(model, Model):
        raise TypeError(f"Expected model to be a Model; got {model!r}. Call plan(Model(program, ...)).")
    model.check()
    if not model.latents:
        return Plan(None, ())
    network = network_posterior(model)
    if network is not None:
        cost = f"elimination of {network.cost.operations:.3g} operations"
        states = {name: len(network.network.states[name]) for name in model.latents}
        return Plan(Exact(), tuple(Step(n, "summed out", f"{k} states", "") for n, k in states.items()), cost)
    asked = Marginalized()
    found = asked.found(model)
    rows = _integrated(found)
    stuck = [n for n in model.latents if model.sites[n].is_discrete and n not in found.integrated]
    method: Method | None = asked if found.integral is not None else NUTS()
    if not found.rest and found.integral is not None:
        method = Exact()
    why_not = method.applicable(model) if isinstance(method, NUTS) else None
    if stuck or why_not:
        method = None
    for name in model.latents:
        if name not in found.integrated:
            action = "no method" if name in stuck else "sampled by NUTS" if method else "not inferred"
            rows.append(Step(name, action, _size(model, name), found.reasons.get(name, "")))
    instead = f"{instead_of_summing(model.sites[stuck[0]])} {SAMPLE_IT}" if stuck else ""
    return Plan(method, tuple(rows), why_not=why_not or "", instead=instead)


def _integrated(found: Found) -> list[Step]:
    rows = []
    for step in found.steps:
        for name in step.names:
            action = found.integrated[name].value
            if isinstance(step, ChainStep | GaussianChainStep):
                action += ", as a chain"
            cost = _elements(found, name)
            if name == step.names[0]:
                cost += f", {_operations(operations(step))}"
            rows.append(Step(name, action, cost))
    return rows


def _operations(number: int) -> str:
    count = str(number) if number < 10_000 else f"{number:.1e}"
    return f"{count} operation{'s' if number != 1 else ''}"


def _elements(found: Found, name: str) -> str:
    if found.integral is None:
        return ""
    variable = next(v for v in found.integral.variables if v.name == name)
    count = math.prod(variable.lengths)
    unit = "state" if variable.kind is Kind.DISCRETE else "coordinate"
    number = math.prod(variable.local_shape) if variable.kind is Kind.CONJUGATE else variable.size
    if number == 1:
        return f"{count} {unit}{'s' if count != 1 else ''}"
    return f"{number} {unit}s" if not variable.lengths else f"{count} x {number} {unit}s"


def _size(model: Model, name: str) -> str:
    count = math.prod(model.sites[name].shape)
    return f"{count} coordinate{'s' if count != 1 else ''}"
