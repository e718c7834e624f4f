// A slider and a number that say the same; the number may leave the bounds, the server judges it.

import { byId, el, shown } from "./dom.js";

/**
 * A control for one number.
 * `spec`: name, label, symbol, low, high, step, value, hint.
 */
export function slider(spec, onInput) {
  const id = `field-${spec.name}`;
  const range = el("input", { type: "range", id: `${id}-range`, min: spec.low, max: spec.high, step: spec.step });
  range.setAttribute("aria-labelledby", `${id}-label`);
  range.tabIndex = -1; // the number takes arrow keys just as well: one stop a parameter
  const number = el("input", { type: "number", id, step: "any", inputMode: "decimal" });
  number.setAttribute("form", "form");
  const why = el("p", { className: "why", id: `${id}-why`, hidden: true });
  const symbol = spec.symbol ? el("i", {}, " ", ...symbolOf(spec.symbol)) : null;
  const label = el("label", { htmlFor: id, id: `${id}-label`, title: spec.hint ?? "" }, spec.label, symbol);
  const node = el("div", { className: "control" }, el("div", { className: "row" }, label, number), range, why);

  const complain = (message) => {
    node.classList.toggle("wrong", Boolean(message));
    why.hidden = !message;
    why.textContent = message;
    number.setAttribute("aria-invalid", String(Boolean(message)));
    if (message) number.setAttribute("aria-describedby", why.id);
    else number.removeAttribute("aria-describedby");
  };
  const set = (value) => {
    number.value = range.value = shown(value);
    complain("");
  };
  range.addEventListener("input", () => {
    number.value = shown(Number(range.value));
    complain("");
    onInput();
  });
  number.addEventListener("input", () => {
    range.value = number.value;
    complain("");
    onInput();
  });
  number.addEventListener("keydown", (event) => {
    // Arrow keys step as the slider does: the number itself has no step, to take any value.
    const by = { ArrowUp: 1, ArrowDown: -1, PageUp: 10, PageDown: -10 }[event.key];
    if (!by) return;
    event.preventDefault();
    const moved = Number(number.value) + by * spec.step;
    set(Math.min(spec.high, Math.max(spec.low, Number(moved.toPrecision(10)))));
    onInput();
  });
  set(spec.value);
  return {
    node,
    set,
    complain,
    focus: () => byId(id).focus(),
    // an empty or unreadable number is sent as null: the server's message names the field
    get: () => (number.value === "" ? null : Number(number.value)),
  };
}

const GREEK = { alpha: "α", beta: "β", gamma: "γ", delta: "δ", epsilon: "ε", lambda: "λ", mu: "μ", rho: "ρ", sigma: "σ", tau: "τ", theta: "θ" };

/** A paper symbol as it is printed: `D_u` with an index, `lambda` in Greek. */
function symbolOf(text) {
  const [base, index] = text.split("_");
  return [GREEK[base] ?? base, index ? el("sub", {}, GREEK[index] ?? index) : null];
}

/** A control for a flag. */
export function toggle(spec, onInput) {
  const box = el("input", { type: "checkbox", id: `field-${spec.name}`, checked: spec.value });
  box.addEventListener("input", onInput);
  const why = el("p", { className: "why", hidden: true });
  return {
    node: el("div", { className: "control" }, el("label", { className: "switch", title: spec.hint ?? "" }, box, spec.label), why),
    set: (value) => (box.checked = value),
    get: () => box.checked,
    focus: () => box.focus(),
    complain: (message) => {
      why.hidden = !message;
      why.textContent = message;
    },
  };
}

/** A slider's step: a round number, about a two-hundredth of the range. */
export function roundStep(low, high) {
  const rough = (high - low) / 200;
  const power = 10 ** Math.floor(Math.log10(rough));
  const round = [1, 2, 5].map((one) => one * power).filter((one) => one <= rough * 1.001);
  return Number((round.at(-1) ?? power).toPrecision(1));
}
