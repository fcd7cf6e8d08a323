"""Random plated graphs, and their unrolling element by element with networkx alone: an oracle."""

import itertools
import random
from dataclasses import dataclass

import networkx as nx
import numpy as np

import probdl as pdl
from probdl.graphs.relation import Read, edge_attributes


@dataclass
class Template:
    """Sites with their axes, and for each edge its reads."""

    sizes: dict[str, int]
    sites: dict[str, tuple[str, ...]]
    edges: dict[tuple[str, str], list[Read]]

    def graph(self):
        scans = {"time": self.sizes["time"]} if "time" in self.sizes else {}
        plates = {name: size for name, size in self.sizes.items() if name != "time"}
        graph = nx.DiGraph(plates=plates, scans=scans)
        for name, axes in self.sites.items():
            shape = tuple(self.sizes[axis] for axis in axes)
            graph.add_node(
                name,
                site=pdl.Site(
                    name,
                    pdl.SiteKind.LATENT,
                    shape,
                    plates=tuple(axis for axis in axes if axis != "time"),
                    scan="time" if "time" in axes else None,
                    axes=tuple((axis, i) for i, axis in enumerate(axes)),
                ),
            )
        for (parent, child), reads in self.edges.items():
            graph.add_edge(parent, child, **edge_attributes(reads))
        return graph

    def elements(self, site):
        return itertools.product(*(range(self.sizes[axis]) for axis in self.sites[site]))

    def ground(self):
        """Unroll: a node (site, index) for each element, an edge for each element read."""
        dag = nx.DiGraph()
        for site in self.sites:
            dag.add_nodes_from((site, index) for index in self.elements(site))
        for (parent, child), reads in self.edges.items():
            for read, index in itertools.product(reads, self.elements(child)):
                for source in self._read(
                    read, parent, child, dict(zip(self.sites[child], index, strict=True))
                ):
                    dag.add_edge((parent, source), (child, index))
        return dag

    def _read(self, read, parent, child, at):
        def look(array):
            return array[tuple(at[a] if n > 1 else 0 for a, n in zip(read.axes, array.shape, strict=True))]

        if read.where is not None and not look(read.where):
            return
        choices = []
        for axis in self.sites[parent]:
            position = read.positions[axis]
            if position is None:
                choices.append(range(self.sizes[axis]))
            elif isinstance(position, int):
                choices.append([at[axis] + position] if 0 <= at[axis] + position < self.sizes[axis] else [])
            else:
                choices.append([int(look(position))])
        yield from itertools.product(*choices)


def random_template(r: random.Random, *, exotic: bool = True) -> Template:
    """Draw a template; without exotic reads, plates are aligned or crossed.

    Exotic ones are chains, plates of which some elements are not read, or anything at all.
    """
    flavour = r.choice(["chain", "mask", "mixed", "mixed"]) if exotic else "plain"
    sizes = {name: r.randint(1, 5) for name in ("p", "q", "r")[: r.randint(1, 3)]}
    if flavour == "chain" or (flavour == "mixed" and r.random() < 0.5):
        sizes = {"time": r.randint(1, 6)} | dict(list(sizes.items())[:2])
    names = [f"s{i}" for i in range(r.randint(2, 6))]
    sites = {name: tuple(axis for axis in sizes if r.random() < 0.55) for name in names}
    lags = [(-1,)] if flavour == "chain" else [(-1,), (-2,), (-1, -2)]
    read = {"plain": _plain_read, "chain": _plain_read, "mask": _masked_read, "mixed": _exotic_read}[flavour]
    edges = {}
    for (i, parent), (j, child) in itertools.product(enumerate(names), repeat=2):
        if i < j and r.random() < 0.45:
            count = 1 + (r.random() < 0.15)
            edges[parent, child] = [read(r, sizes, sites, parent, child) for _ in range(count)]
        elif "time" in sites[parent] and "time" in sites[child] and i >= j and r.random() < 0.45:
            plain = _plain_read(r, sizes, sites, parent, child)
            edges[parent, child] = [
                Read({**plain.positions, "time": lag}, None, plain.axes) for lag in r.choice(lags)
            ]
    return Template(sizes, sites, edges)


def _plain_read(r, sizes, sites, parent, child):
    positions = {axis: 0 if axis in sites[child] and r.random() < 0.8 else None for axis in sites[parent]}
    return Read(positions, None, sites[child])


def _masked_read(r, sizes, sites, parent, child):
    read = _plain_read(r, sizes, sites, parent, child)
    if not sites[child]:
        return read
    masked = r.choice(sites[child])
    shape = [sizes[axis] if axis == masked else 1 for axis in sites[child]]
    where = np.array([r.random() < 0.5 for _ in range(sizes[masked])]).reshape(shape)
    return Read(read.positions, where, read.axes)


def _exotic_read(r, sizes, sites, parent, child):
    axes = sites[child]
    shape = tuple(sizes[axis] for axis in axes)
    positions = dict(_plain_read(r, sizes, sites, parent, child).positions)
    for axis in positions:
        if r.random() < 0.35:
            positions[axis] = _position(r, sizes[axis], axis, axes, shape)
    where = None
    if axes and r.random() < 0.2:
        kept = [n if r.random() < 0.6 else 1 for n in shape]
        where = np.array([r.random() < 0.6 for _ in range(int(np.prod(kept)))]).reshape(kept)
    return Read(positions, where, axes)


def _position(r, size, axis, axes, shape):
    if axis in axes and r.random() < 0.4:
        order = list(range(size))
        r.shuffle(order)
        return np.array(order).reshape([-1 if a == axis else 1 for a in axes])
    if axis == "time" and axis in axes and r.random() < 0.6:
        return r.choice([-1, -2])
    kept = [n if r.random() < 0.5 else 1 for n in shape]
    return np.array([r.randrange(size) for _ in range(int(np.prod(kept)))]).reshape(kept)


def random_region(r: random.Random, template: Template) -> tuple[str, set]:
    """Draw the name of an element, a slice or a site, and its elements."""
    site = r.choice(list(template.sites))
    parts, chosen = [], []
    for axis in template.sites[site]:
        size = template.sizes[axis]
        start = r.randrange(size)
        stop = start + 1 if r.random() < 0.6 else r.randint(start + 1, size)
        if r.random() < 0.15:
            start, stop = 0, size
        parts.append(
            ":" if (start, stop) == (0, size) else str(start) if stop == start + 1 else f"{start}:{stop}"
        )
        chosen.append(range(start, stop))
    if set(parts) <= {":"} and r.random() < 0.5:
        parts = []
    name = f"{site}[{','.join(parts)}]" if parts else site
    return name, {(site, index) for index in itertools.product(*chosen)}


def elements_of(template: Template, name: str) -> set:
    """Return the elements that a name stands for."""
    site, _, index = name.removesuffix("]").partition("[")
    chosen = []
    for axis, part in itertools.zip_longest(template.sites[site], index.split(",") if index else []):
        size = template.sizes[axis]
        if part is None or part == ":":
            chosen.append(range(size))
        elif ":" in part:
            start, stop = part.split(":")
            chosen.append(range(int(start or 0), int(stop or size)))
        else:
            chosen.append([int(part)])
    return {(site, at) for at in itertools.product(*chosen)}
