"""Random programs that brute force can answer: sites in plates, chains, gathers, masks, switches.

A program is drawn as a `Spec`, which says in words what it does, and run by one NumPyro program, `run`.
"""

import contextlib
import enum
import math
from dataclasses import dataclass, replace

import jax.numpy as jnp
import numpy as np
import numpyro
import numpyro.distributions as dist
from numpyro import handlers
from numpyro.contrib.control_flow import scan

import probdl as pdl

DIMS = {"a": -2, "b": -1}
NESTINGS = ((), ("a",), ("b",), ("a", "b"))


class Family(enum.Enum):
    """What a node is."""

    BERNOULLI = "Bernoulli"
    CATEGORICAL = "Categorical"
    BINOMIAL = "Binomial"
    POISSON = "Poisson"
    NORMAL = "Normal"
    VECTOR = "vector of normals"
    MULTIVARIATE = "MultivariateNormal"
    DETERMINISTIC = "deterministic"


DISCRETE = (Family.BERNOULLI, Family.CATEGORICAL, Family.BINOMIAL)
GAUSSIAN = (Family.NORMAL, Family.VECTOR, Family.MULTIVARIATE)


@dataclass(frozen=True)
class Read:
    """A parent's value through a table or a linear map, brought to the plates of the child.

    Attributes:
        parent: The site read; "x@1" is the state x one step before.
        table: Name of the table or map.
        reduce: For each plate that the child is not in: its axis, and the index taken, or None for the sum.
        gather: Name of the indices at which the child's elements read the parent's only plate, or "".
    """

    parent: str
    table: str
    reduce: tuple[tuple[int, int | None], ...] = ()
    gather: str = ""


@dataclass(frozen=True)
class Node:
    """A site: its parameter is a base plus a sum of terms, each a product of reads."""

    name: str
    family: Family
    plates: tuple[str, ...] = ()
    width: int = 1
    terms: tuple[tuple[Read, ...], ...] = ()
    scale: Read | None = None
    observed: bool = False
    masked: bool = False

    @property
    def states(self) -> int:
        """Number of values of a discrete site."""
        return {Family.BERNOULLI: 2, Family.BINOMIAL: 3}.get(self.family, self.width)


@dataclass(frozen=True)
class Chain:
    """A scan over nodes, some of which read states of the steps before.

    Attributes:
        nodes: The sites of a step.
        starts: For each state its values before the first step, the oldest first: sites, or None for zero.
        length: Number of steps.
        picks: The step of each state that later sites read.
        varying: The tables that each step has of its own.
    """

    nodes: tuple[Node, ...]
    starts: tuple[tuple[str, tuple[str | None, ...]], ...]
    length: int
    picks: tuple[tuple[str, int], ...]
    varying: tuple[str, ...]


@dataclass(frozen=True)
class Spec:
    """Sizes of the plates, and the parts of a program in order."""

    sizes: tuple[tuple[str, int], ...]
    parts: tuple[Node | Chain, ...]


def run(spec, tables, data):
    """Run a drawn program: the NumPyro program that all of them share."""
    values = {}
    nodes = {n.name: n for part in spec.parts for n in (part.nodes if isinstance(part, Chain) else [part])}
    for part in spec.parts:
        if isinstance(part, Chain):
            _run_chain(spec, nodes, part, tables, data, values)
        else:
            values[part.name] = _run_node(spec, nodes, part, tables, data, values)


def _run_chain(spec, nodes, chain, tables, data, values):
    def start(name, site):
        if site is not None:
            return values[site]
        node = nodes[name]
        shape = _natural(spec, node.plates) + ((node.width,) if _is_vector(node) else ())
        return jnp.zeros(shape, int if node.family in DISCRETE else float)

    def step(carry, inputs):
        own, seen = inputs
        now = {**values, **{f"{n}@{len(c) - i}": v for n, c in carry.items() for i, v in enumerate(c)}}
        for node in chain.nodes:
            now[node.name] = _run_node(spec, nodes, node, {**tables, **own}, seen, now)
        states = {name: now[name] for name in carry}
        return {n: (*c[1:], states[n]) for n, c in carry.items()}, states

    carry = {name: tuple(start(name, site) for site in sites) for name, sites in chain.starts}
    own = {name: tables[name] for name in chain.varying}
    seen = {node.name: data[node.name] for node in chain.nodes if node.observed}
    _, states = scan(step, carry, (own, seen), length=chain.length)
    values.update({name: states[name][index] for name, index in chain.picks})


def _run_node(spec, nodes, node, tables, data, values):
    batch = _natural(spec, node.plates)

    def read(r):
        return _read(r, nodes[r.parent.partition("@")[0]], tables, values[r.parent])

    total = tables[f"{node.name}:base"]
    for term in node.terms:
        total = total + math.prod((read(r) for r in term[1:]), start=read(term[0]))
    total = jnp.broadcast_to(total, _full(spec, node.plates) + (node.width,)).reshape(*batch, node.width)
    scale = tables[f"{node.name}:scale"]
    if node.scale is not None:
        switched = jnp.exp(0.5 * jnp.tanh(read(node.scale)))[..., 0]
        switched = jnp.broadcast_to(switched, _full(spec, node.plates))
        scale = scale * switched.reshape(batch + (1,) * (node.family is Family.VECTOR))
    if node.family is Family.DETERMINISTIC:
        return numpyro.deterministic(node.name, total[..., 0])
    with contextlib.ExitStack() as stack:
        for plate in node.plates:
            stack.enter_context(numpyro.plate(plate, dict(spec.sizes)[plate], dim=DIMS[plate]))
        if node.masked:
            stack.enter_context(handlers.mask(mask=jnp.asarray(tables[f"{node.name}:mask"])))
        return numpyro.sample(node.name, _distribution(node, total, scale), obs=data.get(node.name))


def _distribution(node, total, scale):
    match node.family:
        case Family.BERNOULLI:
            return dist.Bernoulli(logits=total[..., 0])
        case Family.CATEGORICAL:
            return dist.Categorical(logits=total)
        case Family.BINOMIAL:
            return dist.Binomial(2, logits=total[..., 0])
        case Family.POISSON:
            return dist.Poisson(jnp.exp(jnp.tanh(total[..., 0])))
        case Family.VECTOR:
            return dist.Normal(total, scale).to_event(1)
        case Family.MULTIVARIATE:
            return dist.MultivariateNormal(total, scale_tril=jnp.asarray(scale))
    return dist.Normal(total[..., 0], scale)


def _read(r, parent, tables, value):
    """Return what a read adds, with both plate axes and the width of the child last."""
    table = jnp.asarray(tables[r.table])
    if parent.family in DISCRETE:
        found = table[value]
    elif _is_vector(parent):
        found = value @ table
    else:
        found = value[..., None] * table
    if r.gather:
        return found.reshape(-1, found.shape[-1])[tables[r.gather]]
    found = found.reshape((1,) * (3 - found.ndim) + found.shape)
    for axis, index in r.reduce:
        axis -= 1
        found = found.sum(axis, keepdims=True) if index is None else jnp.take(found, jnp.array([index]), axis)
    return found


def _is_vector(node):
    return node.family in (Family.VECTOR, Family.MULTIVARIATE)


def _full(spec, plates):
    return tuple(dict(spec.sizes)[p] if p in plates else 1 for p in DIMS)


def _natural(spec, plates):
    full = _full(spec, plates)
    return full if "a" in plates else full[1:] if "b" in plates else ()


class _Draw:
    """A program in the making: what is drawn so far, and what is left of the budget of brute force."""

    def __init__(self, rng, most_rows, most_dims):
        self.rng, self.most_rows, self.most_dims = rng, most_rows, most_dims
        self.sizes = {"a": int(rng.integers(2, 4)), "b": int(rng.integers(1, 4))}
        self.tables, self.data = {}, {}
        self.known: dict[str, Node] = {}
        self.linear: set[str] = set()  # what a Gaussian latent goes into: no discrete site may read it

    def model(self):
        parts = [self.node(f"s{i}") for i in range(int(self.rng.integers(1, 4)))]
        if self.chance(0.5):
            parts += self.chain()
        parts += [self.node(f"t{i}") for i in range(int(self.rng.integers(0, 2)))]
        parts.append(self.node("y", observed=True))
        return pdl.Model(run, Spec(tuple(self.sizes.items()), tuple(parts)), self.tables, self.data)

    def chance(self, probability):
        return self.rng.random() < probability

    def pick(self, options):
        return options[int(self.rng.integers(len(options)))]

    def batch(self, plates):
        return tuple(self.sizes[p] if p in plates else 1 for p in DIMS)

    def spend(self, node, times):
        """Take a latent off what is left of the budget; return whether it fits."""
        elements = math.prod(self.batch(node.plates)) * times
        if node.family in DISCRETE and node.states**elements <= self.most_rows:
            self.most_rows //= node.states**elements
        elif node.family in GAUSSIAN and elements * node.width <= self.most_dims:
            self.most_dims -= elements * node.width
        else:
            return node.family is Family.DETERMINISTIC
        return True

    def family(self, *, observed=False):
        if observed:
            return self.pick((*DISCRETE, Family.POISSON, *GAUSSIAN, Family.NORMAL, Family.NORMAL))
        kinds = [DISCRETE] * (self.most_rows > 1) + [GAUSSIAN] * (self.most_dims > 0)
        return self.pick(self.pick(kinds or [GAUSSIAN]))

    def width(self, family):
        if family is Family.CATEGORICAL:
            return int(self.rng.integers(2, 4))
        return 2 if family in (Family.VECTOR, Family.MULTIVARIATE) else 1

    def node(self, name, *, observed=False):
        family = self.family(observed=observed)
        if not observed and self.known and self.chance(0.15):
            family = Family.DETERMINISTIC
        node = Node(name, family, self.pick(NESTINGS), self.width(family), observed=observed)
        return self.add(node, list(self.known))

    def add(self, node, parents, lags=(), steps=0):
        """Draw what a node reads, its tables, and its data where it is observed or does not fit."""
        latent = not node.observed and self.spend(node, steps or 1)
        bent = node.family in DISCRETE or node.family is Family.POISSON
        parents = [p for p in parents if not (bent and p in self.linear)]
        flat = [p for p in parents if p not in self.linear]
        terms = [(self.read(lag, node, node.width),) for lag in lags]
        for _ in range(int(self.rng.integers(0 if latent else 1, 3)) if parents else 0):
            chosen = [self.pick(parents)] + ([self.pick(flat)] if flat and self.chance(0.3) else [])
            terms.append(tuple(self.read(p, node, node.width) for p in chosen))
        switched = node.family in (Family.NORMAL, Family.VECTOR) and flat and self.chance(0.3)
        node = replace(
            node,
            terms=tuple(terms),
            scale=self.read(self.pick(flat), node, 1) if switched else None,
            observed=not latent,
            masked=not latent and self.chance(0.2),
        )
        through = any(r.parent.partition("@")[0] in self.linear for term in terms for r in term)
        if latent and (node.family in GAUSSIAN or (node.family is Family.DETERMINISTIC and through)):
            self.linear.add(node.name)
        self.known[node.name] = node
        self.draw_tables(node, steps)
        return node

    def draw_tables(self, node, steps):
        rng, name, full = self.rng, node.name, self.batch(node.plates)
        batch = full if "a" in node.plates else full[1:] if "b" in node.plates else ()
        lead = (steps,) if steps and self.chance(0.5) else ()
        own = full if self.chance(0.5) else (1, 1)
        self.tables[f"{name}:base"] = rng.normal(size=(*lead, *own, node.width))
        self.tables[f"{name}:scale"] = np.exp(rng.normal(0, 0.3))
        if node.family is Family.MULTIVARIATE:
            self.tables[f"{name}:scale"] = np.array([[0.8, 0.0], [rng.normal(0, 0.5), 1.1]])
        if node.masked:
            self.tables[f"{name}:mask"] = rng.random(batch) < 0.7
        if node.observed:
            self.data[name] = self.observation(node, (steps,) * bool(steps) + batch)

    def observation(self, node, shape):
        if node.family in DISCRETE:
            return self.rng.integers(0, node.states, shape)
        if node.family is Family.POISSON:
            return self.rng.poisson(1.5, shape)
        return self.rng.normal(0, 1.5, (*shape, node.width) if _is_vector(node) else shape)

    def read(self, name, child, width):
        parent = self.known[name.partition("@")[0]]
        table = f"{child.name}<-{name}#{len(self.tables)}"
        inputs = (parent.states,) if parent.family in DISCRETE else (2,) if _is_vector(parent) else ()
        self.tables[table] = self.rng.normal(0, 0.7, (*inputs, width))
        if len(parent.plates) == 1 and child.plates and "@" not in name and self.chance(0.4):
            gather = f"{table}:gather"
            self.tables[gather] = self.rng.integers(0, self.sizes[parent.plates[0]], self.batch(child.plates))
            return Read(name, table, (), gather)
        left = [p for p in parent.plates if p not in child.plates]
        indices = [None if self.chance(0.5) else int(self.rng.integers(self.sizes[p])) for p in left]
        return Read(name, table, tuple((DIMS[p], i) for p, i in zip(left, indices, strict=True)))

    def chain(self):
        """Draw one or two chains in one scan, an emission, and the sites before their first step."""
        parts, nodes, starts, picks = [], [], [], []
        outside, length = list(self.known), int(self.rng.integers(2, 5))
        for i in range(int(self.rng.integers(1, 3))):
            family = self.family()
            state = Node(f"x{i}", family, self.pick(NESTINGS[:3]), self.width(family))
            start: list[str | None] = [None] * int(self.rng.integers(1, 3))
            if self.chance(0.5):
                start = [f"{state.name}_{k}" for k in range(len(start))]
                parts += [self.add(replace(state, name=name), list(outside)) for name in start]
            starts.append((state.name, tuple(start)))
            picks.append((state.name, int(self.rng.integers(length)) if self.chance(0.5) else -1))
            self.known[state.name] = state
            lags = [f"{state.name}@{k + 1}" for k in range(len(start))]
            nodes.append(self.add(state, [*outside, *(n.name for n in nodes)], lags, length))
        family = self.family(observed=True)
        emission = Node("e", family, self.pick(NESTINGS), self.width(family), observed=True)
        nodes.append(self.add(emission, [n.name for n in nodes], (), length))
        del self.known["e"]  # a series: later sites read states alone
        varying = tuple(f"{n.name}:base" for n in nodes if self.tables[f"{n.name}:base"].ndim == 4)
        return [*parts, Chain(tuple(nodes), tuple(starts), length, tuple(picks), varying)]


def random_discrete(rng, most_rows=3000):
    """Draw a model of discrete latents with at most that many assignments."""
    return _draw(rng, most_rows, 0)


def random_gaussian(rng, most_dims=20):
    """Draw a model of Gaussian latents with at most that many dimensions."""
    return _draw(rng, 1, most_dims)


def random_mixed(rng, most_rows=200, most_dims=10):
    """Draw a model of both; given its discrete latents its log joint is quadratic in the others."""
    return _draw(rng, most_rows, most_dims)


def gaussian_sites(model):
    """Return the continuous latents of a drawn model: all of them are Gaussian given the discrete."""
    return tuple(name for name in model.latents if not model.sites[name].is_discrete)


def _draw(rng, most_rows, most_dims):
    wanted = {*DISCRETE} if most_rows > 1 else set(), {*GAUSSIAN} if most_dims else set()
    while True:
        draw = _Draw(rng, most_rows, most_dims)
        model = draw.model()
        found = {node.family for node in draw.known.values() if not node.observed}
        if all(found & families for families in wanted if families):
            return model
