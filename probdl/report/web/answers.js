/** Questions about whole sites, answered on the finite DAG. */

import { ancestors, closedBy, descend, descendants, elementsOf, hasEdge } from "./dag.js";
import { reachable, shortestPath, visited } from "./dag.js";

/** Answer what a site depends on, given others: sites, and the edges of the drawing that open paths take. */
export function ask(dag, drawn, source, given) {
  const sources = elementsOf(dag, [source]);
  const closed = closedBy(dag, given, [source]);
  const reached = reachable(dag, sources, closed);
  const connected = sitesOf(dag, reached);
  connected.delete(source);
  const separated = new Set();
  dag.fixed.forEach((fixed, site) => {
    if (site !== source && !fixed && !given.has(site) && !connected.has(site)) separated.add(site);
  });
  return { connected, separated, open: openEdges(dag, drawn, sources, closed, reached) };
}

function sitesOf(dag, marked) {
  const sites = new Set();
  for (let site = 0; site + 1 < dag.starts.length; site++) {
    for (let node = dag.starts[site]; node < dag.starts[site + 1]; node++) {
      if (marked[node]) {
        sites.add(site);
        break;
      }
    }
  }
  return sites;
}

/**
 * Mark the drawn edges on an open path from a source to something else.
 *
 * An edge to a node that is not given is on one if its tail is reached; an edge to a given node, if the
 * path can turn there to another parent.
 */
function openEdges(dag, drawn, sources, closed, reached) {
  const ways = new Uint8Array(dag.count); // parents that are not given, up to two
  const hasOther = new Uint8Array(dag.count); // whether one of them is no source
  for (let edge = 0; edge < dag.tails.length; edge++) {
    const tail = dag.tails[edge];
    const head = dag.heads[edge];
    if (!closed[head] || closed[tail]) continue;
    ways[head] = Math.min(2, ways[head] + (edge < dag.firstCrowded ? 1 : 2));
    if (!sources[tail]) hasOther[head] = 1;
  }
  const open = new Uint8Array(drawn.count);
  for (let edge = 0; edge < dag.tails.length; edge++) {
    const tail = dag.tails[edge];
    const head = dag.heads[edge];
    if (!reached[tail] || (sources[tail] && sources[head])) continue;
    if (!closed[head] || (ways[head] === 2 && hasOther[head])) open[drawn.of[edge]] = 1;
  }
  return open;
}

/** Return which drawn edge each edge of the DAG belongs to. */
export function drawnEdges(dag, pairs) {
  const sites = dag.fixed.length;
  const number = new Map();
  for (let i = 0; i < pairs.length; i += 2) number.set(pairs[i] * sites + pairs[i + 1], i / 2);
  const of = new Int32Array(dag.tails.length);
  for (let edge = 0; edge < of.length; edge++) {
    of[edge] = number.get(dag.home[dag.tails[edge]] * sites + dag.home[dag.heads[edge]]);
  }
  return { of, number, count: pairs.length / 2 };
}

/** Return one shortest open path between two sites with the reason at each node, or null. */
export function activePath(dag, source, target, given) {
  const closed = closedBy(dag, given, [source, target]);
  const nodes = shortestPath(dag, elementsOf(dag, [source]), elementsOf(dag, [target]), closed);
  return nodes && explained(dag, nodes, closed);
}

function explained(dag, nodes, closed) {
  const forward = nodes.slice(1).map((node, i) => hasEdge(dag, nodes[i], node));
  const passages = nodes.slice(1, -1).map((node, i) => {
    if (forward[i] && !forward[i + 1]) {
      return { node, junction: "collider", openedBy: descend(dag, node, closed) };
    }
    return { node, junction: forward[i] === forward[i + 1] ? "chain" : "fork", openedBy: [] };
  });
  return { nodes, forward, passages };
}

/** Return the sites of the Markov blanket: parents, children, and the other parents of the children. */
export function blanket(dag, source) {
  const own = elementsOf(dag, [source]);
  const found = new Uint8Array(dag.count);
  for (let node = dag.starts[source]; node < dag.starts[source + 1]; node++) {
    for (let i = dag.parentAt[node]; i < dag.parentAt[node + 1]; i++) found[dag.parents[i]] = 1;
    for (let i = dag.childAt[node]; i < dag.childAt[node + 1]; i++) {
      const child = dag.children[i];
      if (found[child] === 2) continue;
      found[child] = 2;
      for (let k = dag.parentAt[child]; k < dag.parentAt[child + 1]; k++) found[dag.parents[k]] ||= 1;
    }
  }
  for (let node = 0; node < dag.count; node++) if (own[node]) found[node] = 0;
  return sitesOf(dag, found);
}

/** Return given sites that separate two sites, none of which can be spared; null if they do not. */
export function separator(dag, source, target, given) {
  if (!isSeparated(dag, source, target, given, null)) return null;
  const near = sitesOf(dag, ancestors(dag, elementsOf(dag, [source, target, ...fixedSites(dag)])));
  const above = new Set([...given].filter((site) => near.has(site)));
  return spared(dag, source, target, [given, above], null);
}

/** Judge what is given as a back-door adjustment set for the effect of one site on another. */
export function backdoor(dag, source, target, given) {
  const { below, cut } = beyond(dag, source);
  const offenders = [...given, ...fixedSites(dag)].filter((site) => site !== target && below.has(site));
  const closed = closedBy(dag, given, [source, target]);
  const path = shortestPath(dag, cut, elementsOf(dag, [target]), closed, cut);
  return { isValid: !offenders.length && !path, offenders, path: path && explained(dag, path, closed) };
}

/** Return a back-door adjustment set none of whose sites can be spared, or null; sites `kept` go last. */
export function adjustment(dag, source, target, unmeasured, kept) {
  const { below, cut } = beyond(dag, source);
  if (fixedSites(dag).some((site) => site !== target && below.has(site))) return null;
  const near = sitesOf(dag, ancestors(dag, elementsOf(dag, [source, target])));
  const barred = (site) => site === source || site === target || dag.fixed[site] || unmeasured.has(site);
  const allowed = [...near].filter((site) => !barred(site) && !below.has(site));
  const widest = new Set(allowed.sort((a, b) => kept.has(a) - kept.has(b)));
  return isSeparated(dag, source, target, widest, cut) ? spared(dag, source, target, [widest], cut) : null;
}

function beyond(dag, source) {
  const cut = elementsOf(dag, [source]);
  const below = sitesOf(dag, descendants(dag, cut));
  below.delete(source);
  return { below, cut };
}

function isSeparated(dag, source, target, given, cut) {
  const closed = closedBy(dag, given, [source, target]);
  const reached = reachable(dag, elementsOf(dag, [source]), closed, cut);
  return !sitesOf(dag, reached).has(target);
}

/**
 * Take out of a separator what it does not need: first what lies away from either end, then one by one.
 *
 * Of several sets each is used only if it separates.
 */
function spared(dag, source, target, sets, cut) {
  const separates = (sites) => isSeparated(dag, source, target, sites, cut);
  let kept = sets[0];
  const shrink = (sites) => {
    if (sites.size < kept.size && separates(sites)) kept = sites;
  };
  sets.forEach(shrink);
  for (const end of [source, target]) {
    const seen = sitesOf(dag, visited(dag, elementsOf(dag, [end]), closedBy(dag, kept, [source, target]), cut));
    shrink(new Set([...kept].filter((site) => seen.has(site))));
  }
  for (let before = -1; before !== kept.size; ) {
    before = kept.size;
    for (const site of kept) shrink(new Set([...kept].filter((other) => other !== site)));
  }
  return kept;
}

function fixedSites(dag) {
  return [...dag.fixed.keys()].filter((site) => dag.fixed[site]);
}
