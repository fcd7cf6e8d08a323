/**
 * The finite DAG on which questions are answered: typed arrays, linear time, nothing of the page.
 *
 * Its nodes are elements, numbered site by site. Edges come as runs of (tail, head, tail step, head step,
 * count): a lag along a scan of any length is one run. A crowded edge stands for several parents of one
 * child, as an edge across a folded plate does.
 */

/** Decode the DAG that Python wrote. */
export function decode(data) {
  const count = data.starts[data.starts.length - 1];
  const plain = expanded(data.runs);
  const crowded = expanded(data.crowded);
  const tails = joined(plain.tails, crowded.tails);
  const heads = joined(plain.heads, crowded.heads);
  const home = new Int32Array(count);
  for (let site = 0; site + 1 < data.starts.length; site++) {
    home.fill(site, data.starts[site], data.starts[site + 1]);
  }
  const up = adjacency(count, heads, tails);
  const down = adjacency(count, tails, heads);
  const fixed = new Uint8Array(data.names.length);
  for (const site of data.fixed) fixed[site] = 1;
  return {
    count,
    home,
    fixed,
    starts: data.starts,
    tails,
    heads,
    firstCrowded: plain.tails.length,
    parentAt: up.at,
    parents: up.list,
    childAt: down.at,
    children: down.list,
  };
}

function expanded(runs) {
  let total = 0;
  for (let i = 4; i < runs.length; i += 5) total += runs[i];
  const tails = new Int32Array(total);
  const heads = new Int32Array(total);
  let at = 0;
  for (let i = 0; i < runs.length; i += 5) {
    for (let k = 0; k < runs[i + 4]; k++, at++) {
      tails[at] = runs[i] + k * runs[i + 2];
      heads[at] = runs[i + 1] + k * runs[i + 3];
    }
  }
  return { tails, heads };
}

function joined(a, b) {
  const both = new Int32Array(a.length + b.length);
  both.set(a);
  both.set(b, a.length);
  return both;
}

function adjacency(count, own, other) {
  const at = new Int32Array(count + 1);
  for (const node of own) at[node + 1]++;
  for (let node = 0; node < count; node++) at[node + 1] += at[node];
  const next = at.slice(0, count);
  const list = new Int32Array(own.length);
  for (let edge = 0; edge < own.length; edge++) list[next[own[edge]]++] = other[edge];
  return { at, list };
}

/** Mark all elements of some sites. */
export function elementsOf(dag, sites) {
  const marked = new Uint8Array(dag.count);
  for (const site of sites) marked.fill(1, dag.starts[site], dag.starts[site + 1]);
  return marked;
}

/** Mark what is given: the given sites and, as long as they are not asked about, the fixed ones. */
export function closedBy(dag, given, asked) {
  const sites = new Set(given);
  dag.fixed.forEach((flag, site) => flag && sites.add(site));
  for (const site of asked) sites.delete(site);
  return elementsOf(dag, sites);
}

/** Mark nodes and all their ancestors. */
export function ancestors(dag, nodes) {
  return closure(nodes, dag.parentAt, dag.parents);
}

/** Mark nodes and all their descendants. */
export function descendants(dag, nodes) {
  return closure(nodes, dag.childAt, dag.children);
}

function closure(nodes, at, list) {
  const found = nodes.slice();
  const waiting = new Int32Array(nodes.length);
  let size = 0;
  for (let node = 0; node < nodes.length; node++) if (found[node]) waiting[size++] = node;
  while (size) {
    const node = waiting[--size];
    for (let i = at[node]; i < at[node + 1]; i++) {
      if (!found[list[i]]) {
        found[list[i]] = 1;
        waiting[size++] = list[i];
      }
    }
  }
  return found;
}

/**
 * Mark what a ball that starts at the sources visits: Bayes-ball (Shachter, 1998).
 *
 * Given nodes at which it stops or turns are marked too. With `cut`, edges that leave a marked node are
 * left out.
 */
export function visited(dag, sources, closed, cut = null) {
  const UP = 1;
  const DOWN = 2;
  const seen = new Uint8Array(dag.count);
  const waiting = new Int32Array(2 * dag.count);
  let size = 0;
  const visit = (node, way) => {
    if (!(seen[node] & way)) {
      seen[node] |= way;
      waiting[size++] = way === UP ? node : ~node;
    }
  };
  for (let node = 0; node < dag.count; node++) if (sources[node]) visit(node, UP);
  while (size) {
    const step = waiting[--size];
    const fromChild = step >= 0;
    const node = fromChild ? step : ~step;
    if (Boolean(closed[node]) !== fromChild) {
      for (let i = dag.parentAt[node]; i < dag.parentAt[node + 1]; i++) {
        if (!cut || !cut[dag.parents[i]]) visit(dag.parents[i], UP);
      }
    }
    if (!closed[node] && !(cut && cut[node])) {
      for (let i = dag.childAt[node]; i < dag.childAt[node + 1]; i++) visit(dag.children[i], DOWN);
    }
  }
  return seen;
}

/** Mark what an open path joins to some source, the sources too; `cut` as above. */
export function reachable(dag, sources, closed, cut = null) {
  const seen = visited(dag, sources, closed, cut);
  for (let node = 0; node < dag.count; node++) seen[node] = seen[node] && !closed[node] ? 1 : 0;
  return seen;
}

/** Return the nodes of a shortest open path from a source to a target, or null; `cut` as above. */
export function shortestPath(dag, sources, targets, closed, cut = null) {
  const opened = ancestors(dag, closed);
  const cameFrom = new Int32Array(2 * dag.count).fill(-2);
  const waiting = new Int32Array(2 * dag.count);
  let size = 0;
  const visit = (step, from) => {
    if (cameFrom[step] === -2) {
      cameFrom[step] = from;
      waiting[size++] = step;
    }
  };
  for (let node = 0; node < dag.count; node++) if (sources[node]) visit(2 * node, -1);
  for (let next = 0; next < size; next++) {
    const step = waiting[next];
    const node = step >> 1;
    if (targets[node]) return retraced(step, cameFrom);
    if (step & 1 ? opened[node] : !closed[node]) {
      for (let i = dag.parentAt[node]; i < dag.parentAt[node + 1]; i++) {
        if (!cut || !cut[dag.parents[i]]) visit(2 * dag.parents[i], step);
      }
    }
    if (!closed[node] && !(cut && cut[node])) {
      for (let i = dag.childAt[node]; i < dag.childAt[node + 1]; i++) visit(2 * dag.children[i] + 1, step);
    }
  }
  return null;
}

function retraced(last, cameFrom) {
  const path = [];
  for (let step = last; step >= 0; step = cameFrom[step]) path.push(step >> 1);
  return path.reverse();
}

/** Return a shortest directed path from a node down to a marked one. */
export function descend(dag, start, marked) {
  const cameFrom = new Map([[start, -1]]);
  for (const node of cameFrom.keys()) {
    if (marked[node]) {
      const path = [];
      for (let at = node; at >= 0; at = cameFrom.get(at)) path.push(at);
      return path.reverse();
    }
    for (let i = dag.childAt[node]; i < dag.childAt[node + 1]; i++) {
      if (!cameFrom.has(dag.children[i])) cameFrom.set(dag.children[i], node);
    }
  }
  return [];
}

/** Whether an edge leads from one node to another. */
export function hasEdge(dag, tail, head) {
  for (let i = dag.parentAt[head]; i < dag.parentAt[head + 1]; i++) {
    if (dag.parents[i] === tail) return true;
  }
  return false;
}
