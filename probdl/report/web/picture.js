/** The drawn graph: its nodes can be focused, and show how they stand to the question. */

const SVG = "http://www.w3.org/2000/svg";
const LEAST_TARGET = 34;
const STATES = ["source", "target", "connected", "separated", "given", "blanket", "separates"];

/** Prepare the picture; return its nodes, and a function that shows an answer. */
export function picture(svg, data) {
  const nodes = [...svg.querySelectorAll("[data-node]")];
  nodes.sort((a, b) => a.dataset.node - b.dataset.node);
  const edges = new Map([...svg.querySelectorAll("[data-edge]")].map((edge) => [edge.dataset.edge, edge]));
  const ordered = [];
  for (let i = 0; i < data.edges.length; i += 2) {
    ordered.push(edges.get(`${data.edges[i]}-${data.edges[i + 1]}`));
  }
  svg.setAttribute("role", "group");
  svg.setAttribute("aria-label", "The graph");
  const centres = nodes.map((node) => prepare(node));
  const shown = nodes.map(() => "");
  const trails = ordered.map(() => "");

  function show(classes, labels, edgeClasses) {
    svg.classList.toggle("asked", edgeClasses !== null);
    nodes.forEach((node, i) => {
      const wanted = classes[i].join(" ");
      if (shown[i] !== wanted) {
        for (const state of STATES) node.classList.toggle(state, classes[i].includes(state));
        shown[i] = wanted;
      }
      if (node.getAttribute("aria-label") !== labels[i]) node.setAttribute("aria-label", labels[i]);
    });
    ordered.forEach((edge, i) => {
      const wanted = edgeClasses ? edgeClasses[i] : "";
      if (trails[i] === wanted) return;
      edge.classList.toggle("open", wanted === "open" || wanted === "path");
      edge.classList.toggle("path", wanted === "path");
      trails[i] = wanted;
    });
  }

  return { nodes, centres, show };
}

/** Make a node a button: what is drawn, rings around it, and room for a finger. */
function prepare(node) {
  const [body, rim] = [...node.children].filter((child) => child.matches("ellipse, rect"));
  body.classList.add("body");
  rim?.classList.add("rim");
  const box = body.getBBox();
  const centre = { x: box.x + box.width / 2, y: box.y + box.height / 2 };
  const all = node.getBBox();
  const grow = Math.max(0, (LEAST_TARGET - Math.min(all.width, all.height)) / 2);
  const room = element("rect", { class: "room", x: all.x - grow, y: all.y - grow, rx: 8 });
  room.setAttribute("width", all.width + 2 * grow);
  room.setAttribute("height", all.height + 2 * grow);
  node.prepend(room);
  for (const [name, distance] of [["ring", 4.5], ["halo", 8], ["focus", 11.5]]) {
    const size = { rx: box.width / 2 + distance, ry: box.height / 2 + distance };
    node.append(element("ellipse", { class: name, cx: centre.x, cy: centre.y, ...size }));
  }
  node.setAttribute("role", "button");
  node.setAttribute("tabindex", "0");
  return centre;
}

function element(name, attributes) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Return the node that an arrow key leads to, or -1. */
export function neighbour(centres, from, key) {
  const way = ARROWS[key];
  if (!way) return -1;
  let best = -1;
  let least = Infinity;
  centres.forEach((centre, i) => {
    const [dx, dy] = [centre.x - centres[from].x, centre.y - centres[from].y];
    const ahead = dx * way[0] + dy * way[1];
    const aside = Math.abs(dx * way[1]) + Math.abs(dy * way[0]);
    const cost = ahead + 0.8 * aside + (aside > 2.5 * ahead ? 1e4 : 0);
    if (i !== from && ahead > 1 && cost < least) {
      best = i;
      least = cost;
    }
  });
  return best;
}

/** Let the picture fit its frame, and be made larger and smaller. */
export function zoom(svg, frame, buttons) {
  const { width, height } = svg.viewBox.baseVal;
  const LEAST = 0.55;
  const MOST = 1.75;
  let scale = 1;
  const set = (value) => {
    scale = Math.min(4, Math.max(0.08, value));
    svg.style.width = `${width * scale}px`;
    svg.style.height = `${height * scale}px`;
  };
  const fitting = () => {
    const style = getComputedStyle(frame);
    const wide = frame.clientWidth - parseFloat(style.paddingLeft) - parseFloat(style.paddingRight);
    const tall = parseFloat(style.maxHeight) - parseFloat(style.paddingTop) - parseFloat(style.paddingBottom);
    return Math.min(wide / width, (tall || Infinity) / height, MOST);
  };
  let isFitted = true;
  const fit = (least) => set(Math.max(fitting(), least));
  const change = (factor) => {
    isFitted = false;
    const [x, y] = [frame.scrollLeft + frame.clientWidth / 2, frame.scrollTop + frame.clientHeight / 2];
    const before = scale;
    set(scale * factor);
    frame.scrollTo(
      (x * scale) / before - frame.clientWidth / 2,
      (y * scale) / before - frame.clientHeight / 2,
    );
  };
  buttons.in.addEventListener("click", () => change(1.25));
  buttons.out.addEventListener("click", () => change(0.8));
  buttons.fit.addEventListener("click", () => fit(0));
  frame.addEventListener(
    "wheel",
    (event) => {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      change(Math.exp(-event.deltaY / 300));
    },
    { passive: false },
  );
  new ResizeObserver(() => isFitted && fit(LEAST)).observe(frame.parentElement);
  fit(LEAST);
  buttons.group.hidden = fitting() > 0.8;
  frame.scrollLeft = (frame.scrollWidth - frame.clientWidth) / 2;
}
