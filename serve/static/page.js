// The page: pick a model, move its parameters, run it, watch the field, read its features.

import { key, Problem, send } from "./api.js";
import { roundStep, slider, toggle } from "./controls.js";
import { byId, el, shown } from "./dom.js";
import { domain } from "./domain.js";
import * as player from "./player.js";
import { cells, events } from "./stream.js";

const FRAMES = 120; // asked for in a run: enough to look smooth
const MOST_STEPS = 20000;
const MOST_CELL_STEPS = 256 * 256 * 1000; // a run of more is refused by a server with the usual limits
const FIRST = "mycelium"; // the model that a visitor finds chosen
const OWN = { name: "equations", summary: "Equations of your own", parameters: [], presets: {} };
const GROUPS = [
  ["Fractal", ["D_box", "D_r2"]],
  ["Values (mV)", ["V_min", "V_max", "V_mean", "V_std", "V_skew", "V_kurt"]],
  ["In time", ["dV_mean", "dV_max", "T_stable", "E_trend"]],
  ["Structure", ["f_active", "N_clusters_low", "N_clusters_med", "N_clusters_high", "max_cluster_size", "cluster_size_std"]],
];

const form = byId("form");
const model = byId("model");
const preset = byId("preset");
let models = [];
let controls = { parameters: new Map(), settings: new Map() };
let written = null; // what is written: see domain.js
let running = null; // the AbortController of the run that is on

// ------------------------------------------------------------------------------- controls

function chosen() {
  return models.find((one) => one.name === model.value);
}

const isOwn = () => model.value === OWN.name;

function showModel() {
  const names = Object.keys(chosen().presets);
  preset.replaceChildren(...names.map((name) => el("option", { value: name }, name)));
  preset.disabled = names.length < 2;
  const made = chosen().parameters.map((parameter) => [parameter.name, controlOf(parameter)]);
  controls.parameters = new Map(made);
  byId("parameters").replaceChildren(...made.map(([, control]) => control.node));
  written.show(isOwn());
  showPreset();
}

/** A parameter's default; 1 where the model has none. */
const usual = (parameter) => parameter.default ?? 1;

function controlOf(parameter) {
  const { name, symbols, minimum, maximum, description } = parameter;
  const value = usual(parameter);
  const label = /(^|_).(_|$)/.test(name) ? name : name.replaceAll("_", " "); // d_u stays as it is
  if (typeof value === "boolean") return toggle({ name, label, value, hint: description }, edited);
  // without bounds of its own a slider reaches twice as far as any preset
  const used = [value, ...Object.values(chosen().presets).map((one) => one.parameters[name] ?? value)];
  const low = minimum ?? Math.min(0, 2 * Math.min(...used));
  const high = maximum ?? (2 * Math.max(0, ...used) || (low < 0 ? 0 : 1));
  return slider({ name, label, symbol: symbols?.[0], low, high, step: roundStep(low, high), value, hint: description }, edited);
}

/** Put the preset's values into the controls, the model's defaults elsewhere. */
function showPreset() {
  const { description = "", parameters = {}, steps } = chosen().presets[preset.value] ?? {};
  for (const parameter of chosen().parameters) {
    controls.parameters.get(parameter.name).set(parameters[parameter.name] ?? usual(parameter));
  }
  const affordable = Math.floor(MOST_CELL_STEPS / controls.settings.get("grid_size").get() ** 2 / 100) * 100;
  if (steps) controls.settings.get("steps").set(Math.min(steps, MOST_STEPS, Math.max(affordable, 100)));
  byId("about").textContent = [chosen().summary, description].map(sentence).join(" ");
  complain(null);
}

const sentence = (text) => (text ? `${text[0].toUpperCase()}${text.slice(1).replace(/\.$/, "")}.` : "");

function showSettings() {
  const specs = [
    { name: "grid_size", label: "cells per side", low: 8, high: 256, step: 8, value: 96 },
    { name: "steps", label: "steps", low: 1, high: MOST_STEPS, step: 1, value: 200 },
    { name: "seed", label: "seed", low: 0, high: 100, step: 1, value: 42 },
  ];
  controls.settings = new Map(specs.map((spec) => [spec.name, slider(spec, edited)]));
  byId("settings").replaceChildren(...[...controls.settings.values()].map((control) => control.node));
}

function edited() {
  complain(null);
}

function valuesOf(some) {
  return Object.fromEntries([...some].map(([name, control]) => [name, control.get()]));
}

// ----------------------------------------------------------------------------------- link

/** Keep what is run in the address, so that it can be bookmarked and shared. */
function keepInAddress({ model, preset, parameters, grid_size, steps, seed }) {
  const kept = new URLSearchParams({ model, ...(preset && { preset }), ...parameters, grid_size, steps, seed });
  history.replaceState(null, "", `#${kept}`);
}

/** Take from the address what it names, where this server knows it. */
function takeFromAddress() {
  const kept = new URLSearchParams(location.hash.slice(1));
  if (models.some(({ name }) => name === kept.get("model"))) model.value = kept.get("model");
  else if (models.some(({ name }) => name === FIRST)) model.value = FIRST;
  showModel();
  if (kept.get("preset") in chosen().presets) preset.value = kept.get("preset");
  showPreset();
  for (const [name, value] of kept) {
    const control = controls.parameters.get(name) ?? controls.settings.get(name);
    control?.set(value === "true" || value === "false" ? value === "true" : Number(value));
  }
}

// ------------------------------------------------------------------------------------ run

async function run() {
  if (running) return;
  complain(null);
  running = new AbortController();
  buttons();
  status("Waiting for the first frame …");
  player.lock();
  const settings = valuesOf(controls.settings);
  const chosen = { model: model.value, ...(preset.value && { preset: preset.value }) };
  const request = {
    ...(isOwn() ? {} : chosen),
    parameters: valuesOf(controls.parameters),
    ...settings,
    frames: FRAMES,
    ...written.get(isOwn(), settings.grid_size),
  };
  keepInAddress({ ...request, ...chosen, ...(isOwn() && { parameters: {} }) });
  const started = performance.now();
  let last = 0;
  try {
    for await (const event of events(request, running.signal)) {
      if (event.type === "header") player.begin(event);
      if (event.type === "frame") {
        player.add({ ...event, cells: cells(event.data) });
        last = event.step;
        status(`Step ${last} of ${request.steps}`);
      }
      if (event.type === "end") showFeatures(event.features);
    }
    status(`${request.steps} steps in ${((performance.now() - started) / 1000).toFixed(1)} s`);
  } catch (error) {
    if (error.name === "AbortError") status(last ? `Stopped at step ${last}.` : "Stopped.");
    else if (error instanceof Problem) complain(error);
    else throw error;
  } finally {
    running = null;
    buttons();
    player.unlock();
  }
}

function buttons() {
  byId("run").disabled = Boolean(running) || !models.length;
  byId("stop").disabled = !running;
  document.body.classList.toggle("running", Boolean(running));
}

function status(text) {
  byId("status").textContent = text;
}

/** Show what went wrong: in words above the controls, and at each control that it names. */
function complain(problem) {
  const box = byId("error");
  box.hidden = !problem;
  for (const one of [...controls.parameters.values(), ...controls.settings.values(), ...(written?.all ?? [])]) one.complain("");
  if (!problem) return;
  status("");
  const retry = problem.retryAfter ? ` Try again in ${problem.retryAfter} s.` : "";
  box.textContent = problem.message + retry;
  const named = problem.fields.map(({ field, detail }) => [controlNamed(field), detail]).filter(([control]) => control);
  for (const [control, detail] of named) control.complain(detail);
  named[0]?.[0].focus();
  if (problem.wantsKey) askForKey();
}

function controlNamed(path) {
  const parts = path.split(/[.[\]]/).filter(Boolean);
  return controls.parameters.get(parts.at(-1)) ?? controls.settings.get(parts.at(-1)) ?? written?.named(parts[0]);
}

// ------------------------------------------------------------------------------- features

function showFeatures(features) {
  byId("features").hidden = !features;
  byId("results-hint").textContent = features ? "" : "This model's fields are no potentials: the features are those of potentials.";
  byId("results-hint").hidden = Boolean(features);
  if (!features) return;
  const rows = GROUPS.flatMap(([group, names]) => [
    el("tr", { className: "group" }, el("th", { scope: "colgroup", colSpan: 2 }, group)),
    ...names.map((name) => el("tr", {}, el("th", { scope: "row" }, name), el("td", {}, shown(features[name])))),
  ]);
  byId("features").tBodies[0].replaceChildren(...rows);
}

// ------------------------------------------------------------------------------------ key

function askForKey() {
  byId("key").value = key.get();
  byId("key-dialog").showModal();
}

byId("key-button").addEventListener("click", askForKey);
byId("key-dialog").addEventListener("close", () => {
  if (byId("key-dialog").returnValue !== "keep") return;
  key.set(byId("key").value.trim());
  if (models.length) run();
  else begin();
});

// ---------------------------------------------------------------------------------- start

async function begin() {
  try {
    ({ models } = await (await send("GET", "models")).json());
  } catch (error) {
    if (!(error instanceof Problem)) throw error;
    return complain(error);
  }
  models.push(OWN);
  written = domain(edited);
  showSettings();
  model.replaceChildren(...models.map(({ name }) => el("option", { value: name }, name)));
  takeFromAddress();
  complain(null);
  buttons();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  run();
});
byId("stop").addEventListener("click", () => running?.abort());
model.addEventListener("change", showModel);
preset.addEventListener("change", showPreset);

begin();
