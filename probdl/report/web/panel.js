/** What stands beside the picture: the state as chips, and the answers in words. */

import { code, enumerated, judgement, named, reasons, relation, statement } from "./words.js";

const FIRST = 8;

/** Prepare the panel; return a function that shows an answer. */
export function panel(data, dag, actions) {
  const at = (id) => document.getElementById(id);
  constant(data, at, actions);
  at("observe").addEventListener("click", () => actions.give(data.observed));
  at("clear").addEventListener("click", () => actions.clear());
  at("code").querySelector("button").addEventListener("click", () => copy(at("code")));

  return function show(state, answer) {
    write(at("statement"), statement(data, state, answer));
    at("asked").replaceChildren(...askedChips(data, state, actions));
    at("given").replaceChildren(...givenChips(data, state, actions));
    at("observe").hidden = data.observed.every((site) => state.given.has(site) || site === state.source);
    at("clear").disabled = state.source < 0 && !state.given.size;
    const hasPair = state.target >= 0;
    at("second").hidden = !hasPair;
    at("thick").hidden = !answer?.path;
    write(
      at("relation"),
      state.note ? [state.note] : hasPair ? relation(data, dag, state, answer.path, answer.separator) : [],
    );
    showPath(at("path"), data, dag, answer?.path);
    at("code").hidden = state.source < 0;
    at("code").querySelector("code").textContent = code(data, state);
    at("blanket").hidden = state.source < 0;
    if (answer) {
      const names = answer.blanket.size ? enumerated(data, answer.blanket, 24) : ["empty"];
      write(at("blanket").querySelector("p"), names);
    }
    at("backdoor").hidden = !hasPair;
    if (hasPair) showBackdoor(at("backdoor"), data, dag, state, answer);
  };
}

/** Replace the content of an element by text and names. */
function write(target, parts) {
  const pieces = parts.map((part) => (typeof part === "string" ? part : made("span", "name", part.name)));
  target.replaceChildren(...pieces);
  target.hidden = !parts.length;
}

function made(tag, className, text) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
}

function button(className, label, text, act) {
  const element = made("button", className, text);
  element.type = "button";
  if (label) element.setAttribute("aria-label", label);
  element.addEventListener("click", act);
  return element;
}

function chip(className, name, label, act) {
  const element = made("span", `chip ${className}`);
  element.append(made("span", "name", name), button("drop", label, "×", act));
  return element;
}

function askedChips(data, state, actions) {
  if (state.source < 0) return [];
  const source = data.names[state.source];
  const give = (site) => button("quiet", "", `Condition on ${data.names[site]}`, () => actions.toggle(site));
  const row = [made("span", "label", "Asked"), chip("source", source, `Stop asking from ${source}`, actions.stop)];
  if (state.target < 0) return data.fixed.includes(state.source) ? row : [...row, give(state.source)];
  const target = data.names[state.target];
  row.push(
    made("span", "to", "and"),
    chip("target", target, `Stop asking about ${target}`, () => actions.choose(state.target)),
    button("quiet", `Ask from ${target} instead`, "Swap", actions.swap),
  );
  return data.fixed.includes(state.target) ? row : [...row, give(state.target)];
}

function givenChips(data, state, actions) {
  const sites = [...state.given].sort((a, b) => a - b);
  const chips = sites.map((site) =>
    chip("given", data.names[site], `Release ${data.names[site]}`, () => actions.toggle(site)),
  );
  const always = data.fixed.filter((site) => site !== state.source && site !== state.target);
  const row = [made("span", "label", "Given"), ...(chips.length ? chips : [made("span", "none", "nothing")])];
  if (always.length) {
    const aside = made("span", "aside");
    write(aside, ["always: ", ...enumerated(data, always, 4)]);
    row.push(aside);
  }
  return row;
}

function showPath(card, data, dag, path) {
  card.hidden = !path?.passages.length;
  if (card.hidden) return;
  const lines = reasons(data, dag, path).map((parts) => {
    const line = made("li");
    write(line, parts);
    return line;
  });
  card.querySelector("ul").replaceChildren(...lines);
}

function showBackdoor(card, data, dag, state, answer) {
  write(card.querySelector(".verdict"), judgement(data, dag, state, answer.verdict));
  const minimal = card.querySelector(".minimal");
  const pair = [named(data, state.source), " → ", named(data, state.target)];
  if (!answer.minimal) write(minimal, ["No set of sites meets the criterion for ", ...pair, "."]);
  else if (!answer.minimal.size) write(minimal, ["The empty set is enough for ", ...pair, "."]);
  else write(minimal, ["A minimal set for ", ...pair, ": ", ...enumerated(data, answer.minimal, 24), "."]);
  card.querySelector(".verdict").classList.toggle("good", answer.verdict.isValid);
}

function constant(data, at, actions) {
  const counted = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
  const edges = counted(data.edges.length / 2, "edge");
  at("counts").textContent = `Graph of ${counted(data.names.length, "site")} and ${edges}`;
  at("observed").hidden = !data.observed.length;
  at("factorization").hidden = !data.factorization;
  at("factorization").querySelector("p").replaceChildren(...product(data.factorization));
  at("plates").hidden = !data.boxes.length;
  at("plates").querySelector("ul").replaceChildren(
    ...data.boxes.map((box) => {
      const line = made("li");
      write(line, [{ name: box.label }, ": ", ...enumerated(data, box.members, 24)]);
      return line;
    }),
  );
  listIndependencies(data, at("independencies"), actions);
}

/** Write a product so that no factor is broken, with the ranges of products as subscripts. */
function product(text) {
  const factors = text.split(/(?<=[)=∝])(?<!∏_\([^)]*\)) (?=\S)/);
  return factors.flatMap((factor) => {
    const piece = made("span", "factor");
    const range = /∏_(?:\(([^)]*)\)|(\w+)) /g;
    let end = 0;
    for (const found of factor.matchAll(range)) {
      piece.append(factor.slice(end, found.index), "∏", made("sub", "", found[1] ?? found[2]), "\u2009");
      end = found.index + found[0].length;
    }
    piece.append(factor.slice(end));
    return [piece, " "];
  });
}

function listIndependencies(data, card, actions) {
  card.hidden = !data.independencies.length;
  const lines = data.independencies.map((entry) => {
    const line = made("li", "statement");
    line.append(statementLine(entry, actions));
    return line;
  });
  const list = card.querySelector("ul");
  const more = card.querySelector(".more");
  list.replaceChildren(...lines.slice(0, FIRST));
  const hidden = lines.length - FIRST;
  const rest = data.hasMore ? "and more" : "";
  more.textContent = hidden > 0 ? "" : rest;
  if (hidden > 0) {
    const all = button("quiet", "", `Show ${hidden} more`, () => {
      list.replaceChildren(...lines);
      more.textContent = rest;
    });
    more.replaceChildren(all);
  }
}

/** Write a statement; as a button where it is about whole sites and can be asked. */
function statementLine([text, source, target, given], actions) {
  const ask = () => actions.ask(source, target, given);
  const isAsked = source !== undefined;
  const spoken = text.replace("⫫", "independent of");
  const line = isAsked ? button("statement", spoken, "", ask) : made("span");
  const [left, right] = text.split(" ⫫ ");
  line.append(`${left} `, made("span", "perp", "⊥⊥"), ` ${right}`);
  return line;
}

async function copy(card) {
  const text = card.querySelector("code").textContent;
  const note = card.querySelector("button");
  try {
    await navigator.clipboard.writeText(text);
    note.textContent = "Copied";
  } catch {
    getSelection().selectAllChildren(card.querySelector("code"));
    note.textContent = "Selected: copy it";
  }
  setTimeout(() => (note.textContent = "Copy"), 1600);
}
