/** Answers in words, as lists of text and names: names are set apart on the page. */

const MOST_NAMES = 12;

/** Return a site's name as a part of a sentence. */
export function named(data, site) {
  return { name: data.names[site] };
}

/** Return the name of an element of a site, such as x[3,1]. */
export function elementName(data, dag, node) {
  const site = dag.home[node];
  let at = node - dag.starts[site];
  const index = [];
  for (const axis of data.coordinates[site].toReversed()) {
    index.unshift(axis.at ? axis.at[at % axis.count] : at % axis.count);
    at = Math.floor(at / axis.count);
  }
  return index.length ? `${data.names[site]}[${index.join(",")}]` : data.names[site];
}

/** Return names with commas and a last "and"; of many, the first and how many more. */
export function enumerated(data, sites, most = MOST_NAMES) {
  const all = [...sites].sort((a, b) => a - b);
  const shown = all.length > most + 1 ? all.slice(0, most) : all;
  const parts = [];
  shown.forEach((site, i) => {
    const isLast = i === shown.length - 1 && shown.length === all.length;
    if (i) parts.push(isLast ? " and " : ", ");
    parts.push(named(data, site));
  });
  if (shown.length < all.length) parts.push(` and ${all.length - shown.length} more`);
  return parts;
}

/** Say what the question is answered with. */
export function statement(data, state, answer) {
  const given = state.given.size ? enumerated(data, state.given) : ["nothing"];
  if (state.source < 0) {
    return state.given.size
      ? ["Given ", ...given, ". Choose a site to ask from."]
      : ["Choose a site to see what it may depend on. Nothing is given yet."];
  }
  const parts = ["Given ", ...given, ", ", named(data, state.source)];
  if (answer.connected.size) parts.push(" may depend on ", ...enumerated(data, answer.connected));
  else parts.push(" depends on nothing else");
  if (answer.separated.size) {
    parts.push("; it is independent of ", ...enumerated(data, answer.separated));
  }
  return [...parts, "."];
}

/** Say how the second site stands to the first. */
export function relation(data, dag, state, path, separator) {
  const ends = [named(data, state.source), " and ", named(data, state.target)];
  if (path) return [...ends, " are joined by an open path: ", ...route(data, dag, path), "."];
  if (!separator.size) return [...ends, " are separated, even with nothing given."];
  return [...ends, " are separated by ", ...enumerated(data, separator), "."];
}

/** Write a path with its arrows. */
export function route(data, dag, path) {
  return path.nodes.flatMap((node, i) => {
    const part = { name: elementName(data, dag, node) };
    return i ? [path.forward[i - 1] ? " → " : " ← ", part] : [part];
  });
}

/** Say why a path is open at each node between its ends. */
export function reasons(data, dag, path) {
  return path.passages.map(({ node, junction, openedBy }) => {
    const start = [{ name: elementName(data, dag, node) }, `: ${junction}, open since `];
    if (junction !== "collider") return [...start, "it is not given"];
    if (openedBy.length === 1) return [...start, "it is given"];
    const way = openedBy.flatMap((below, i) => {
      const part = { name: elementName(data, dag, below) };
      return i ? [" → ", part] : [part];
    });
    const last = { name: elementName(data, dag, openedBy.at(-1)) };
    return [...start, "its descendant ", last, " is given (", ...way, ")"];
  });
}

/** Say what is given against the back-door criterion. */
export function judgement(data, dag, state, verdict) {
  const given = enumerated(data, state.given);
  const pair = [named(data, state.source), " → ", named(data, state.target)];
  if (verdict.isValid) {
    const how = state.given.size ? ["Adjust for ", ...given] : ["No adjustment is needed"];
    return [...how, ": the back-door criterion holds for ", ...pair, "."];
  }
  if (verdict.offenders.length) {
    const verb = verdict.offenders.length > 1 ? " descend from " : " descends from ";
    const rest = ", so this is no back-door set.";
    return [...enumerated(data, verdict.offenders), verb, named(data, state.source), rest];
  }
  const start = state.given.size ? ["Given ", ...given] : ["With nothing given"];
  return [...start, ", a back-door path is open: ", ...route(data, dag, verdict.path), "."];
}

/** Write the question as Python. */
export function code(data, state) {
  if (state.source < 0) return "";
  const given = [...state.given].sort((a, b) => a - b).map((site) => data.codes[site]);
  const rest = given.length ? `, given=[${given.join(", ")}])` : ")";
  const lines = [`pdl.d_connected(graph, ${data.codes[state.source]}${rest}`];
  if (state.target >= 0) {
    lines.push(`pdl.active_path(graph, ${data.codes[state.source]}, ${data.codes[state.target]}${rest}`);
  }
  return lines.join("\n");
}

/** Say what a node of the picture is and how it stands to the question. */
export function description(data, state, answer, site) {
  const places = data.boxes.filter((box) => box.members.includes(site)).map((box) => `${box.kind} ${box.label}`);
  const what = [data.names[site], data.kinds[site], ...places].join(", ");
  return `${what}: ${standing(data, state, answer, site)}`;
}

function standing(data, state, answer, site) {
  if (site === state.source) return "asked from";
  const words = [];
  if (state.given.has(site)) words.push("given");
  else if (data.fixed.includes(site)) words.push("fixed, always given");
  else if (state.source < 0) words.push("not given");
  else {
    const source = data.names[state.source];
    words.push(answer.connected.has(site) ? `may depend on ${source}` : `independent of ${source}`);
  }
  if (site === state.target) words.push("asked about");
  if (answer?.blanket.has(site)) words.push("in its Markov blanket");
  return words.join(", ");
}
