"""The log evidence of a model, by a method of choice, with its error."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import numpy as np
from jaxtyping import Array

from probdl.errors import NotApplicable
from probdl.exact.posteriors.posterior import exact_posterior
from probdl.inference.exact import Exact
from probdl.inference.infer import infer
from probdl.inference.method import NO_LATENT, Method
from probdl.inference.monte_carlo import obstacles
from probdl.inference.monte_carlo.bridge import BridgeSampling
from probdl.inference.monte_carlo.smc import SMC
from probdl.inference.monte_carlo.weights import Evidence
from probdl.inference.result import Result
from probdl.inference.status import Finding, InferenceWarning, verdict
from probdl.program.keys import as_key
from probdl.program.model import Model


@dataclass(frozen=True, kw_only=True)
class LogEvidence:
    """The logarithm of the probability of the observations, with all latents integrated. It prints itself.

    Attributes:
        value: The estimate, in nats.
        standard_error: Its standard error, in nats; 0 where it is exact.
        method: How it was found.
        findings: What is wrong with the run that gave it.

    Example:
        >>> print(LogEvidence(value=-88.4612, standard_error=0.02, method="SMC()"))
        -88.461 +- 0.020 nats, by SMC()
    """

    value: float
    standard_error: float
    method: str
    findings: tuple[Finding, ...] = ()

    def __float__(self) -> float:
        """Return the estimate, in nats."""
        return self.value

    def __str__(self) -> str:
        """Return the estimate, its error and how it was found; then what was found, a line each."""
        if self.standard_error == 0:
            text = f"{self.value:.6f} nats, exactly"
        else:
            digits = 1
            if np.isfinite(self.standard_error):
                digits = max(1, 1 - math.floor(math.log10(self.standard_error)))
            text = f"{self.value:.{digits}f} +- {self.standard_error:.{digits}f} nats"
        return "\n".join([f"{text}, by {self.method}", *map(str, self.findings)])


def log_evidence(
    model: Model,
    method: Method | BridgeSampling | None = None,
    *,
    key: int | Array | None = None,
    progress: bool | None = None,
) -> LogEvidence:
    """Return the log evidence of a model.

    Args:
        model: The model, conditioned on its data.
        method: How to find it: Exact(), SMC(), ImportanceSampling(), Nested(), ParticleFilter(), Rejection()
            or BridgeSampling(...). By default exactly where all latents can be integrated, else by SMC().
        key: A seed or a JAX key; what is exact needs none.
        progress: Whether to show a progress bar; by default if stderr is a terminal.

    Returns:
        The estimate with its error.

    Raises:
        TypeError: If the model, the method or the key is none.
        NotApplicable: If a prior is improper, or the method cannot treat the model, or gives no evidence.

    Warns:
        InferenceWarning: If the run should not be trusted as it is.

    Example:
        >>> import numpyro, numpyro.distributions as dist
        >>> def coin():
        ...     bias = numpyro.sample("bias", dist.Beta(1.0, 1.0))
        ...     numpyro.sample("heads", dist.Binomial(10, bias), obs=7)
        >>> print(log_evidence(Model(coin)))  # -log 11
        -2.397895 nats, exactly, by Exact()

    Source:
        Bishop & Bishop (2023), §9.6.1 and §14.1; MacKay (2003), chapter 28.
    """
    if not isinstance(model, Model):
        raise TypeError(
            f"Expected model to be a Model; got {model!r}. Call log_evidence(Model(program, ...))."
        )
    if not isinstance(method, Method | BridgeSampling | None):
        raise TypeError(
            f"Expected method to be a method; got {method!r}. Call log_evidence(model, SMC(), key=0)."
        )
    model.check()
    if reason := obstacles.improper(model):
        instead = "Give it a proper prior: with an improper one the evidence is any number."
        raise NotApplicable("log_evidence", reason, instead)
    if not model.latents:
        return LogEvidence(value=float(model.log_joint({})), standard_error=0.0, method=NO_LATENT)
    if method is None and Exact().applicable(model) is None:
        method = Exact()
    if isinstance(method, Exact):
        if reason := method.applicable(model):
            raise NotApplicable(type(method).__name__, reason, method.instead)
        value = exact_posterior(model, max_table=method.max_table).log_evidence
        return LogEvidence(value=float(value), standard_error=0.0, method=str(method))
    chosen = SMC() if method is None else method
    if key is None:
        raise TypeError(f"Expected a key for {chosen}; got none. Pass key=0.")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InferenceWarning)  # repeated below, to the caller
        (value, error), result = _estimate(as_key(key), model, chosen, progress=progress)
    if result.findings:
        warnings.warn(verdict(result.findings), InferenceWarning, stacklevel=2)
    return LogEvidence(value=value, standard_error=error, method=str(chosen), findings=result.findings)


def _estimate(
    key: Array, model: Model, method: Method | BridgeSampling, *, progress: bool | None
) -> tuple[Evidence, Result]:
    if isinstance(method, BridgeSampling):
        return method.estimate(key, model, progress=progress)
    result = infer(model, method, key=key, progress=progress)
    if result.log_evidence is not None and result.log_evidence_error is not None:
        return Evidence(result.log_evidence, result.log_evidence_error), result
    name = type(method).__name__
    instead = f"Call log_evidence(model, BridgeSampling({name}()), key=0), or SMC()."
    raise NotApplicable(name, "its draws do not give the evidence by themselves", instead)
