// What a visitor writes: equations, starts and sides as text; and a mask, drawn by brush.

import { byId, el } from "./dom.js";

const MASK_SIDE = 256; // pixels of the drawing: as many as the cells of the finest grid
const BRUSH = 18;
const SIDES = { "x-": "left", "x+": "right", "y-": "top", "y+": "bottom" };
const OWN = ["equation", "values"]; // what stands in the place of a model
const EXAMPLE = {
  equation: "u_t = D*lap(u) - u*v^2 + F*(1 - u)\nv_t = E*lap(v) + u*v^2 - (F + k)*v",
  values: "D = 0.16\nE = 0.08\nF = 0.035\nk = 0.062",
  start: "u = 1 - 0.5*(abs(x - 48) + abs(y - 48) < 20)\nv = 0.25*(abs(x - 48) + abs(y - 48) < 20) + 0.01*uniform()",
};

/** A labelled box for text; `rows` 1 is one line. */
function box(name, label, { rows = 1, value = "", hint = "" }, onInput) {
  const input = el(rows > 1 ? "textarea" : "input", { id: `domain-${name}`, value, spellcheck: false, placeholder: hint });
  if (rows > 1) input.rows = rows;
  input.setAttribute("form", "form");
  input.addEventListener("input", onInput);
  const why = el("p", { className: "why", hidden: true });
  const node = el("label", { className: "written" }, label, input, why);
  return {
    node,
    get: () => input.value.trim(),
    set: (text) => (input.value = text),
    focus: () => input.focus(),
    complain: (message) => {
      why.hidden = !message;
      why.textContent = message;
      input.setAttribute("aria-invalid", String(Boolean(message)));
    },
  };
}

/** The lines `name = value` of a text as an object; numbers as numbers. */
function assignments(text, asNumbers) {
  const pairs = text.split("\n").filter((line) => line.trim()).map((line) => {
    const [name, ...rest] = line.split("=");
    const value = rest.join("=").trim();
    return [name.trim(), asNumbers && value !== "" && Number.isFinite(Number(value)) ? Number(value) : value];
  });
  return Object.fromEntries(pairs);
}

/** A canvas on which cells are taken out of the grid by brush. */
function brush(onInput) {
  const canvas = el("canvas", { id: "mask", width: MASK_SIDE, height: MASK_SIDE, "aria-label": "Draw where nothing takes part" });
  const context = canvas.getContext("2d", { willReadFrequently: true });
  let drawn = false;
  const draw = (event) => {
    if (!event.buttons) return;
    const frame = canvas.getBoundingClientRect();
    const at = [event.clientX - frame.x, event.clientY - frame.y].map((one) => (one * MASK_SIDE) / frame.width);
    context.beginPath();
    context.arc(...at, BRUSH, 0, 2 * Math.PI);
    context.fill();
    drawn = true;
    onInput();
  };
  canvas.addEventListener("pointerdown", draw);
  canvas.addEventListener("pointermove", draw);
  const clear = el("button", { type: "button", className: "quiet", id: "clear-mask" }, "Clear");
  clear.addEventListener("click", () => {
    context.clearRect(0, 0, MASK_SIDE, MASK_SIDE);
    drawn = false;
    onInput();
  });
  const node = el("div", { className: "written" }, el("span", {}, "Holes: draw where nothing takes part ", clear), canvas);
  /** The mask of size × size cells: 1 takes part; nothing where nothing is drawn. */
  const get = (size) => {
    if (!drawn) return null;
    const { data } = context.getImageData(0, 0, MASK_SIDE, MASK_SIDE);
    const pixel = (cell) => Math.floor(((cell + 0.5) * MASK_SIDE) / size);
    const cells = [...Array(size).keys()].map(pixel);
    return cells.map((row) => cells.map((column) => (data[4 * (row * MASK_SIDE + column) + 3] > 127 ? 0 : 1)));
  };
  return { node, get, complain: () => {}, focus: () => {} };
}

/** Make the boxes; `onInput` is called when one changes. */
export function domain(onInput) {
  const side = ([name, label]) => [name, box(name, label, { value: "periodic" }, onInput)];
  const sides = Object.fromEntries(Object.entries(SIDES).map(side));
  const boxes = {
    equation: box("equation", "Equations", { rows: 4, value: EXAMPLE.equation }, onInput),
    values: box("values", "Their parameters: numbers, or formulas of x, y, t", { rows: 4, value: EXAMPLE.values }, onInput),
    start: box("start", "Start of each field (none: the customary one)", { rows: 3, hint: "u = 0.01*normal()" }, onInput),
    dt: box("dt", "Time step", { hint: "the usual one" }, onInput),
    mask: brush(onInput),
  };
  const pairs = el("div", { className: "pair" }, Object.values(sides).map((one) => one.node));
  const hint = el("p", { className: "hint" }, "Sides: periodic, neumann [slope], dirichlet VALUE, robin A B C, ghost VALUE.");
  byId("domain").append(boxes.equation.node, boxes.values.node, boxes.start.node, boxes.dt.node, pairs, hint, boxes.mask.node);
  return {
    all: [...Object.values(boxes), ...Object.values(sides)],
    named: (name) => (name === "boundary" ? sides["x-"] : name === "parameters" ? boxes.values : boxes[name]),
    /** Show the boxes of equations, or not; a visitor's first equations come with a start. */
    show: (isOwn) => {
      for (const name of OWN) boxes[name].node.hidden = !isOwn;
      byId("domain").closest("details").open ||= isOwn;
      if (isOwn && !boxes.start.get()) boxes.start.set(EXAMPLE.start);
    },
    /** What a request says of all this. */
    get: (isOwn, size) => {
      const start = assignments(boxes.start.get(), false);
      const dt = boxes.dt.get();
      const boundary = Object.fromEntries(Object.entries(sides).map(([name, one]) => [name, one.get()]));
      const mask = boxes.mask.get(size);
      return {
        ...(isOwn && { equation: boxes.equation.get(), parameters: assignments(boxes.values.get(), true) }),
        ...(Object.keys(start).length && { start }),
        ...(dt && { dt: Number(dt) }),
        ...(Object.values(boundary).some((one) => one !== "periodic") && { boundary }),
        ...(mask && { mask }),
      };
    },
  };
}
