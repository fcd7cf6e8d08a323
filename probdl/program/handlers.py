"""Effect handlers that reach every site, inside NumPyro's control flow too."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import numpyro
from numpyro.distributions import biject_to
from numpyro.primitives import Messenger

from probdl.program.centring import CENTRING, centred_value

Message = dict[str, Any]


LOG_DET = "log_det of "


def is_factor(msg: Message) -> bool:
    """Whether a sample message is a `numpyro.factor` statement, masked or in a plate perhaps."""
    return type(bare(msg["fn"])).__name__ == "Unit"


def bare(fn: Any) -> Any:
    """Return a distribution beneath masks, expansions and reinterpreted axes."""
    while type(fn).__name__ in ("ExpandedDistribution", "Independent", "MaskedDistribution"):
        fn = fn.base_dist
    return fn


def is_log_det(name: str) -> bool:
    """Whether a factor is the Jacobian of a site that `Unconstrain` mapped to its support."""
    return LOG_DET in name


class Everywhere(Messenger):
    """A handler whose `visit` sees each site once, in `scan` and `cond` bodies too.

    NumPyro hides the sites of a body from the handlers outside and shows them again, stacked, when the
    loop has run. This handler steps into the body together with the program, knows in which scan it is,
    hands each step its slice of `values`, and ignores the second appearance. The slices enter as scanned
    inputs, so that gradients stay linear in the length.

    Args:
        program: The program to run under it.
        values: Values by site; those of a scanned site have the steps as their first axis.
        scan_of: The scan that each scanned site of `values` is in.
        names: Sites that are treated in a way of their own, if the handler has one.
    """

    def __init__(
        self,
        program: Callable | None = None,
        values: Mapping[str, Any] | None = None,
        scan_of: Mapping[str, str] | None = None,
        names: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(program)
        self.names = names
        self.values = dict(values or {})
        self.scan_of = dict(scan_of or {})
        self.scans: dict[str, int] = {}
        self.scan: str | None = None
        self.nested = False
        self._slices: dict[str, Any] = {}

    def visit(self, msg: Message) -> None:
        """Act on one site, before its value is drawn."""

    def value(self, name: str) -> Any:
        """Return the value held for a site: at the current step, if the site is in the scan."""
        return self._slices[name] if name in self._slices else self.values[name]

    def process_message(self, msg: Message) -> None:
        """Route a message: bodies are entered, sites are visited, echoes of loops are left alone."""
        if msg["type"] == "control_flow":
            enter = self._enter_cond if msg["fn"].__name__ == "cond_wrapper" else self._enter_scan
            msg["args"] = enter(*msg["args"])
        elif not msg.get("_control_flow_done", False):
            if msg["type"] == "param" and isinstance(next(iter(msg["args"]), None), np.ndarray):
                msg["args"] = (jnp.asarray(msg["args"][0]), *msg["args"][1:])  # latents can index it
            self.visit(msg)

    def _enter_cond(self, predicate: Any, if_true: Callable, if_false: Callable, *rest: Any) -> tuple:
        def inside(branch: Callable) -> Callable:
            def wrapped(operand: Any) -> Any:
                with self:
                    return branch(operand)

            return wrapped

        return predicate, inside(if_true), inside(if_false), *rest

    def _enter_scan(self, body: Callable, init: Any, xs: Any, length: int | None, *rest: Any) -> tuple:
        if length is None:
            length = int(jnp.shape(jax.tree.leaves(xs)[0])[0])
        self.nested |= self.scan is not None
        name = _fresh("time", self.scans)
        self.scans[name] = length
        held = {k: v for k, v in self.values.items() if self.scan_of.get(k) == name}

        def wrapped(carry: Any, inputs: Any) -> Any:
            slices, x = inputs
            outer = (self.scan, self._slices)
            self.scan, self._slices = name, slices
            try:
                with self:
                    return body(carry, x)
            finally:
                self.scan, self._slices = outer

        return wrapped, init, (held, xs), length, *rest


def _fresh(name: str, taken: Mapping[str, Any]) -> str:
    number = 1
    candidate = name
    while candidate in taken:
        number += 1
        candidate = f"{name}_{number}"
    return candidate


class Observe(Everywhere):
    """Condition: hold sample sites at observed values."""

    def visit(self, msg: Message) -> None:
        """Make a held site an observed one."""
        if msg["type"] == "sample" and msg["name"] in self.values:
            msg["value"], msg["is_observed"] = self.value(msg["name"]), True


class Intervene(Everywhere):
    """Do: replace sites by constants, so that nothing of their own distribution remains."""

    def visit(self, msg: Message) -> None:
        """Turn a held site into a constant that stands under the same name."""
        if msg["type"] in ("sample", "deterministic", "param") and msg["name"] in self.values:
            msg["type"], msg["intervened"] = "deterministic", True
            msg["value"] = self.value(msg["name"])


class Fix(Everywhere):
    """Run the program at given values of its latent sites and params."""

    def visit(self, msg: Message) -> None:
        """Give a held site its value; whether it is observed does not change."""
        if msg["type"] in ("sample", "param") and msg["name"] in self.values:
            msg["value"] = self.value(msg["name"])


class Replicate(Fix):
    """Forget the observations: draw them anew, given the held values of the latents.

    Args:
        program: The program to run under it.
        values: Values held by latent sites.
        scan_of: The scan that each scanned one is in.
        forgotten: Receives the names of the sites that were observed.
    """

    def __init__(
        self,
        program: Callable | None,
        values: Mapping[str, Any],
        scan_of: Mapping[str, str],
        forgotten: set[str],
    ) -> None:
        super().__init__(program, values, scan_of)
        self.forgotten = forgotten

    def visit(self, msg: Message) -> None:
        """Unobserve a site, unless it is a factor."""
        super().visit(msg)
        if msg["type"] == "sample" and msg["is_observed"] and not is_factor(msg):
            msg["value"], msg["is_observed"] = None, False
            self.forgotten.add(msg["name"])


class Unconstrain(Everywhere):
    """Run the program at an unconstrained position, with the log Jacobian determinant as a factor.

    Args:
        program: The program.
        values: Unconstrained values of latents, and values of those in `given`; the degree of centring of a
            site, where it has one, under `CENTRING` and its name.
        scan_of: The scan that each scanned one is in.
        given: The latents whose values are the sites' own.
        names: As in `Everywhere`.
    """

    def __init__(
        self,
        program: Callable | None,
        values: Mapping[str, Any],
        scan_of: Mapping[str, str],
        given: frozenset[str] = frozenset(),
        names: frozenset[str] = frozenset(),
    ) -> None:
        super().__init__(program, values, scan_of, names)
        self.given = given

    def visit(self, msg: Message) -> None:
        """Map a held position through the bijection onto the support."""
        name = msg.get("name")
        if msg["type"] != "sample" or name not in self.values:
            return
        if name in self.given:
            msg["value"] = self.value(name)
            return
        z = self.value(name)
        if CENTRING + name in self.values:
            value, log_det = centred_value(msg["fn"], z, self.value(CENTRING + name))
        else:
            bijection = biject_to(msg["fn"].support)
            value = bijection(z)
            log_det = bijection.log_abs_det_jacobian(z, value)
        within = jnp.ndim(log_det) - jnp.ndim(value) + len(msg["fn"].event_shape)
        log_det = jnp.sum(log_det, axis=tuple(range(-within, 0)))
        msg["value"] = value
        numpyro.factor(f"{LOG_DET}{name}", log_det)


class Begin(Unconstrain):
    """Run the program at a random start: what is not held is uniform on (-2, 2) before its bijection.

    Args:
        program: The program.
        values: As in `Unconstrain`; held.
        scan_of: The scan that each scanned one is in.
        names: Continuous latents that are given a start; all others are drawn from the program.
    """

    def visit(self, msg: Message) -> None:
        """Give a site a value that is possible, wherever the data may be."""
        super().visit(msg)
        if msg["type"] == "sample" and msg.get("name") in self.names:
            bijection = biject_to(msg["fn"].support)
            shape = bijection.inverse_shape(msg["fn"].shape(msg["kwargs"].get("sample_shape", ())))
            kind = jnp.result_type(float)
            msg["value"] = bijection(jax.random.uniform(jnp.asarray(numpyro.prng_key()), shape, kind, -2, 2))


class Expect(Fix):
    """Run the program with some sites at their means given the sites before them.

    Args:
        program: The program.
        values: Values that other sites are held at.
        scan_of: The scan that each scanned one is in.
        names: The sites.
    """

    def visit(self, msg: Message) -> None:
        """Give a site the mean of its distribution."""
        super().visit(msg)
        if msg["type"] == "sample" and msg["name"] in self.names:
            shape = msg["fn"].shape(msg["kwargs"].get("sample_shape", ()))
            msg["value"] = jnp.broadcast_to(msg["fn"].mean, shape)
