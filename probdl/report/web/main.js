/** The page: one question, what changes it, and where it is shown. */

import { activePath, adjustment, ask, backdoor, blanket, drawnEdges, separator } from "./answers.js";
import { decode } from "./dag.js";
import { panel } from "./panel.js";
import { neighbour, picture, zoom } from "./picture.js";
import { description, elementName } from "./words.js";

const HOLD_MILLISECONDS = 450;
const HOLD_PIXELS = 10;

const data = JSON.parse(document.getElementById("data").textContent);
const dag = decode(data);
const drawn = drawnEdges(dag, data.edges);
const observed = new Set(data.observed);
const unmeasured = new Set(data.unmeasured);
const svg = document.querySelector(".frame svg");
const graph = picture(svg, data);
const state = { source: data.source, target: -1, given: new Set(data.given), note: "" };
const actions = {
  choose,
  toggle,
  give: (sites) => change(() => sites.forEach((site) => state.given.add(site))),
  stop: () => change(() => Object.assign(state, { source: -1, target: -1 })),
  swap: () => change(() => Object.assign(state, { source: state.target, target: state.source })),
  clear: () => actions.ask(-1, -1, []),
  ask: (source, target, given) => change(() => Object.assign(state, { source, target, given: new Set(given) })),
};
const beside = panel(data, dag, actions);

/** Ask from a site, or about it; release it if it is given. */
function choose(site) {
  change(() => {
    if (state.given.has(site)) state.given.delete(site);
    else if (state.source < 0) state.source = site;
    else if (state.source === site) state.source = state.target = -1;
    else state.target = state.target === site ? -1 : site;
  });
}

/** Give a site, or release it. */
function toggle(site) {
  change(() => {
    if (data.fixed.includes(site)) {
      state.note = `${data.names[site]} is fixed: it is always given.`;
      return;
    }
    if (!state.given.delete(site)) state.given.add(site);
    if (state.source === site) state.source = state.target = -1;
    if (state.target === site) state.target = -1;
  });
}

function change(act) {
  state.note = "";
  act();
  for (const site of [state.source, state.target]) state.given.delete(site);
  update();
  remember();
}

/** Answer the question and show the answer. */
function update() {
  const answer = state.source < 0 ? null : answered();
  const classes = data.names.map((_, site) => {
    const own = [];
    if (state.given.has(site)) own.push("given");
    if (answer) {
      if (site === state.source) own.push("source");
      else if (site === state.target) own.push("target");
      if (answer.connected.has(site)) own.push("connected");
      else if (answer.separated.has(site)) own.push("separated");
      if (answer.blanket.has(site)) own.push("blanket");
      if (answer.separator?.has(site)) own.push("separates");
    }
    return own;
  });
  const labels = data.names.map((_, site) => description(data, state, answer, site));
  graph.show(classes, labels, answer && trails(answer));
  beside(state, answer);
}

function answered() {
  const answer = ask(dag, drawn, state.source, state.given);
  answer.blanket = blanket(dag, state.source);
  if (state.target >= 0) {
    answer.path = activePath(dag, state.source, state.target, state.given);
    answer.separator = answer.path ? null : separator(dag, state.source, state.target, state.given);
    answer.verdict = backdoor(dag, state.source, state.target, state.given);
    answer.minimal = adjustment(dag, state.source, state.target, unmeasured, observed);
  }
  return answer;
}

function trails(answer) {
  const classes = Array.from(answer.open, (flag) => (flag ? "open" : ""));
  const sites = (answer.path?.nodes ?? []).map((node) => dag.home[node]);
  sites.slice(1).forEach((site, i) => {
    const ends = answer.path.forward[i] ? [sites[i], site] : [site, sites[i]];
    classes[drawn.number.get(ends[0] * data.names.length + ends[1])] = "path";
  });
  return classes;
}

/** Keep the question in the address, so that a link can be shared; an inline page has none. */
function remember() {
  if (location.protocol === "about:") return;
  const words = new URLSearchParams();
  if (state.source >= 0) words.append("source", data.names[state.source]);
  if (state.target >= 0) words.append("target", data.names[state.target]);
  for (const site of state.given) words.append("given", data.names[site]);
  history.replaceState(null, "", `#${words}`);
}

function recall() {
  if (location.hash.length < 2 || location.hash === "#answer") return;
  const words = new URLSearchParams(location.hash.slice(1));
  const find = (name) => data.names.indexOf(name);
  const given = words.getAll("given").map(find);
  const [source, target] = ["source", "target"].map((word) => find(words.get(word)));
  const known = given.filter((site) => site >= 0 && site !== source && site !== target);
  Object.assign(state, { source, target: source === target || source < 0 ? -1 : target, given: new Set(known) });
  const isUnknown = (word) => words.has(word) && find(words.get(word)) < 0;
  const isLost = given.includes(-1) || isUnknown("source") || isUnknown("target");
  state.note = isLost ? "The link names sites that this graph does not have." : "";
}

function listen() {
  graph.nodes.forEach((node, site) => {
    let hold = 0;
    let start = null;
    let wasHeld = false;
    const release = () => clearTimeout(hold);
    node.addEventListener("pointerdown", (event) => {
      wasHeld = false;
      if (event.pointerType === "mouse") return;
      start = event;
      hold = setTimeout(() => {
        wasHeld = true;
        toggle(site);
      }, HOLD_MILLISECONDS);
    });
    node.addEventListener("pointermove", (event) => {
      if (start && Math.hypot(event.x - start.x, event.y - start.y) > HOLD_PIXELS) release();
    });
    for (const end of ["pointerup", "pointercancel", "pointerleave"]) node.addEventListener(end, release);
    node.addEventListener("click", (event) => {
      if (wasHeld) wasHeld = false;
      else if (event.shiftKey || event.metaKey) toggle(site);
      else if (!event.ctrlKey) choose(site); // on a Mac that is a right-click, which comes by itself
    });
    node.addEventListener("contextmenu", (event) => {
      event.preventDefault();
      release();
      if (!wasHeld) toggle(site);
      wasHeld = event.pointerType === "touch";
    });
    node.addEventListener("keydown", (event) => key(event, site));
  });
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape") return;
    if (state.source >= 0) actions.stop();
    else if (state.given.size) actions.clear();
  });
  addEventListener("hashchange", () => {
    recall();
    update();
  });
}

function key(event, site) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const next = neighbour(graph.centres, site, event.key);
  if (next >= 0) {
    graph.nodes[next].focus();
    graph.nodes[next].scrollIntoView({ block: "nearest", inline: "nearest" });
  }
  else if (event.key === "Enter") choose(site);
  else if (event.key === " " || event.key === "g") toggle(site);
  else if (!event.key.startsWith("Arrow")) return;
  event.preventDefault();
}

recall();
listen();
update();
const part = (id) => document.getElementById(id);
zoom(svg, document.querySelector(".frame"), {
  group: part("zoom"),
  in: part("zoom-in"),
  out: part("zoom-out"),
  fit: part("zoom-fit"),
});
graph.nodes[state.source]?.scrollIntoView({ block: "nearest", inline: "nearest" });

/** For the console and for tests: the answers by name, and what the page shows. */
const name = (node) => elementName(data, dag, node);
const answers = { ask, activePath, adjustment, backdoor, blanket, separator };
globalThis.explorer = { data, dag, drawn, state, update, name, ...answers };
