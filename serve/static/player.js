// The field on its canvas: shows frames as they come, keeps them, and plays them again.

import { draw, drawBar, palette } from "./colours.js";
import { byId } from "./dom.js";

const COLOURS = { mV: palette("viridis"), "": palette("magma") };

const canvas = byId("canvas");
const scrub = byId("scrub");
const play = byId("play");

let run = null; // { field, unit, shape, frames: [{ step, min, max, cells }] }
let timer = 0;

/** Begin a run: forget the frames of the one before. */
export function begin({ field, unit, shape }) {
  run = { field, unit, shape, frames: [] };
  drawBar(byId("colours"), COLOURS[unit] ?? COLOURS[""]);
  byId("empty").hidden = true;
}

/** Add a frame and show it. */
export function add(frame) {
  run.frames.push(frame);
  scrub.max = String(run.frames.length - 1);
  show(run.frames.length - 1);
}

/** No controls while a run is on. */
export function lock() {
  pause();
  scrub.disabled = play.disabled = true;
}

/** The run is over: from now on its frames can be played again. */
export function unlock() {
  scrub.disabled = play.disabled = !(run?.frames.length > 1);
}

function show(index) {
  const { step, min, max, cells } = run.frames[index];
  const [low, high] = ends(min, max).map((value) => `${value} ${run.unit}`.trim());
  draw(canvas, cells, run.shape, COLOURS[run.unit] ?? COLOURS[""]);
  byId("low").textContent = low;
  byId("high").textContent = high;
  scrub.value = String(index);
  scrub.setAttribute("aria-valuetext", `step ${step}`);
  canvas.setAttribute(
    "aria-label",
    `${run.field} at step ${step}: from ${low} to ${high}, on ${run.shape.join(" by ")} cells`,
  );
}

/** Both ends of the scale, with as many decimals as a thousandth of the range needs. */
function ends(min, max) {
  const decimals = Math.min(9, Math.max(0, 3 - Math.ceil(Math.log10(max - min || Math.abs(max) || 1))));
  return [min, max].map((value) => value.toFixed(decimals).replace(/^-(0\.?0*)$/, "$1").replace("-", "−"));
}

function pause() {
  clearInterval(timer);
  timer = 0;
  play.textContent = "Replay";
}

scrub.addEventListener("input", () => {
  pause();
  show(Number(scrub.value));
});
play.addEventListener("click", () => {
  if (timer) return pause();
  const last = run.frames.length - 1;
  let index = Number(scrub.value) >= last ? 0 : Number(scrub.value);
  play.textContent = "Pause";
  timer = setInterval(() => {
    show(index);
    if (index++ >= last) pause();
  }, 50);
});
