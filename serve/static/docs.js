// Draws the OpenAPI file as a page, with a form that sends a request to each endpoint.

import { key, Problem, send } from "./api.js";
import { byId, el } from "./dom.js";

const METHODS = ["get", "post", "put", "patch", "delete"];
let api;

/** Follow a `$ref` within the file. */
function resolved(schema) {
  let found = schema ?? {};
  for (let hops = 0; found.$ref && hops < 8; hops++) {
    found = found.$ref
      .slice(2)
      .split("/")
      .reduce((node, part) => node?.[part.replaceAll("~1", "/").replaceAll("~0", "~")], api) ?? {};
  }
  return found;
}

/** Type and bounds of a schema in a few words. */
function kind(schema, depth = 0) {
  const s = resolved(schema);
  if ("const" in s) return JSON.stringify(s.const);
  if (s.enum) return s.enum.map((value) => JSON.stringify(value)).join(" | ");
  const union = s.oneOf ?? s.anyOf;
  if (union) return [...new Set(union.map((one) => kind(one, depth)))].join(" | ");
  const type = [s.type ?? "any"].flat().join(" | ");
  if (s.items && depth < 4) return `array of ${kind(s.items, depth + 1)}`;
  return [type, bounds(s)].filter(Boolean).join(" ");
}

function bounds(s) {
  const low = s.minimum ?? s.exclusiveMinimum ?? s.minLength ?? s.minItems;
  const high = s.maximum ?? s.exclusiveMaximum ?? s.maxLength ?? s.maxItems;
  if (low === undefined && high === undefined) return "";
  const opening = s.exclusiveMinimum !== undefined || low === undefined ? "(" : "[";
  const closing = s.exclusiveMaximum !== undefined || high === undefined ? ")" : "]";
  return `${opening}${low ?? "−∞"}, ${high ?? "∞"}${closing}`;
}

/** An example of a schema: the file's own, else one made of defaults and types. */
function example(schema, depth = 0) {
  const s = resolved(schema);
  const named = s.examples && (Array.isArray(s.examples) ? s.examples[0] : Object.values(s.examples)[0]);
  const given = s.example ?? (named?.value ?? named) ?? s.default ?? s.const ?? s.enum?.[0];
  if (given !== undefined) return given;
  if (depth > 4) return null;
  const union = s.oneOf ?? s.anyOf;
  if (union) return example(union.find((one) => resolved(one).type !== "null") ?? union[0], depth + 1);
  switch ([s.type].flat()[0]) {
    case "object": {
      const wanted = Object.entries(s.properties ?? {}).filter(([name]) => s.required?.includes(name) || depth === 0);
      return Object.fromEntries(wanted.map(([name, one]) => [name, example(one, depth + 1)]));
    }
    case "array":
      return [example(s.items, depth + 1)];
    case "integer":
    case "number":
      return s.minimum ?? s.exclusiveMinimum ?? 0;
    case "boolean":
      return false;
    default:
      return "";
  }
}

function exampleOf(content) {
  const given = content.example ?? Object.values(content.examples ?? {})[0]?.value;
  return given ?? example(content.schema);
}

/** Text with `code` and paragraphs, as elements. */
function prose(text = "") {
  return text
    .split(/\n\s*\n/)
    .filter((part) => part.trim())
    .map((part) => el("p", {}, part.split(/`+([^`]+)`+/).map((piece, i) => (i % 2 ? el("code", {}, piece) : piece))));
}

/** A table of fields; what comes back (`answered`) has neither defaults nor a choice to leave out. */
function table(caption, rows, answered = false) {
  const heads = ["Name", "Type", ...(answered ? [] : ["Default"]), "What it is"].map((text) => el("th", { scope: "col" }, text));
  const body = rows.map(({ name, required, schema, description }) => {
    const s = resolved(schema);
    const fallback = "default" in s ? JSON.stringify(s.default) : required ? "" : "–";
    return el(
      "tr",
      {},
      el("th", { scope: "row" }, name, required && !answered ? el("span", { className: "required", title: "required" }, " *") : null),
      el("td", { className: "kind" }, kind(schema)),
      answered ? null : el("td", { className: "kind" }, fallback),
      el("td", {}, prose(description ?? s.description)),
    );
  });
  const caption_ = el("caption", { className: "unseen" }, caption);
  return el("div", { className: "scroll" }, el("table", {}, caption_, el("thead", {}, el("tr", {}, heads)), el("tbody", {}, body)));
}

function schemaTable(caption, schema, answered = false) {
  const s = resolved(schema);
  const properties = Object.entries(s.properties ?? {});
  if (!properties.length) return el("p", { className: "hint" }, kind(schema));
  const row = ([name, one]) => ({ name, required: s.required?.includes(name), schema: one });
  return table(caption, properties.map(row), answered);
}

const pretty = (value) => (typeof value === "string" ? value : JSON.stringify(value, null, 2));
const block = (text) => el("pre", { tabIndex: 0 }, text);

/** What comes back when all is well; the errors, which are alike everywhere, folded up. */
function answers(operation) {
  const all = Object.entries(operation.responses ?? {}).map(([status, one]) => [status, resolved(one)]);
  const good = all.filter(([status]) => status < "400").map(([status, one]) => goodAnswer(status, one));
  const bad = all.filter(([status]) => status >= "400");
  const rows = bad.map(([status, one]) =>
    el("tr", {}, el("th", { scope: "row" }, status), el("td", {}, prose(one.description))),
  );
  const errors = el("details", {}, el("summary", {}, "Errors, as problem details"), el("table", {}, el("tbody", {}, rows)));
  return bad.length ? [...good, errors] : good;
}

function goodAnswer(status, { description, content = {} }) {
  const types = Object.keys(content);
  const first = content[types[0]];
  const node = el("div", { className: "answer" }, el("h3", {}, `Answer ${status}: ${types.join(", ") || description}`));
  if (first?.schema) node.append(schemaTable(`Answer ${status}`, first.schema, true));
  if (first?.example ?? first?.examples) node.append(block(pretty(exampleOf(first))));
  return node;
}

/** The form that sends a request, and shows what came back. */
function tryIt(method, path, parameters, body) {
  const inputs = parameters.map((p) => {
    const input = el("input", { value: p.example ?? resolved(p.schema).default ?? "", name: p.name });
    return { ...p, input, label: el("label", {}, `${p.name} (${p.in})`, input) };
  });
  const text = body && el("textarea", { value: pretty(exampleOf(body.content)), spellcheck: false });
  const button = el("button", { className: "primary" }, "Send");
  const answer = el("div", { className: "answer", role: "status" });
  const form = el(
    "form",
    { className: "try", noValidate: true },
    inputs.map((one) => one.label),
    text ? el("label", {}, `Body (${body.type})`, text) : null,
    el("div", { className: "actions" }, button),
    answer,
  );
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    const headers = body ? { "Content-Type": body.type } : {};
    const query = new URLSearchParams();
    let target = path.replace(/^\//, "");
    for (const { name, in: place, input } of inputs) {
      if (place === "path") target = target.replace(`{${name}}`, encodeURIComponent(input.value));
      else if (input.value && place === "query") query.set(name, input.value);
      else if (input.value && place === "header") headers[name] = input.value;
    }
    if (query.size) target += `?${query}`;
    const started = performance.now();
    try {
      const response = await send(method.toUpperCase(), target || "./", { body: text?.value, headers });
      await show(answer, response, started);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      const retry = error.retryAfter ? ` Try again in ${error.retryAfter} s.` : "";
      const fields = error.fields.map((one) => `${one.field}: ${one.detail}`).join("\n");
      answer.replaceChildren(el("p", { className: "error" }, `${error.status || ""} ${error.message}${retry}`), fields ? block(fields) : "");
    } finally {
      button.disabled = false;
    }
  });
  return el("details", {}, el("summary", {}, "Try it"), form);
}

async function show(answer, response, started) {
  const type = response.headers.get("Content-Type") ?? "";
  const readable = /json|text|xml/.test(type);
  const content = readable ? await response.text() : await response.arrayBuffer();
  const took = Math.round(performance.now() - started);
  let text = readable ? content : `${content.byteLength} bytes of ${type}`;
  if (/[/+]json/.test(type)) text = pretty(JSON.parse(content)); // not x-ndjson: that is a line each
  if (text.length > 20000) text = `${text.slice(0, 20000)}\n… (${text.length} characters)`;
  answer.replaceChildren(el("p", {}, `${response.status} in ${took} ms`), block(text || "(empty)"));
}

function section(method, path, operation, id) {
  const parameters = (operation.parameters ?? []).map(resolved);
  const contents = Object.entries(resolved(operation.requestBody).content ?? {});
  const [type, content] = contents[0] ?? [];
  const body = content && /json/.test(type) ? { type, content } : null;
  const heading = el("h2", {}, el("span", { className: "method" }, method.toUpperCase()), path);
  const parts = [heading, ...prose(operation.description || operation.summary)];
  if (parameters.length) parts.push(el("h3", {}, "Parameters"), table("Parameters", parameters));
  if (content) {
    parts.push(el("h3", {}, `Body: ${contents.map(([name]) => name).join(", ")}`), schemaTable("Body", content.schema));
  }
  parts.push(...answers(operation), tryIt(method, path, parameters, body));
  return el("section", { className: "panel operation", id, "aria-label": `${method.toUpperCase()} ${path}` }, parts);
}

function intro() {
  const field = el("input", { type: "password", autocomplete: "off", value: key.get() });
  field.addEventListener("change", () => key.set(field.value.trim()));
  const secured = Object.keys(api.components?.securitySchemes ?? {}).length > 0;
  return el(
    "section",
    { className: "intro" },
    el("h1", {}, api.info.title, " ", el("small", {}, `${api.info.version} · OpenAPI ${api.openapi}`)),
    prose(api.info.description),
    secured ? el("label", {}, "API key, where the server asks for one (kept in this tab)", field) : null,
  );
}

function render() {
  const groups = new Map();
  const sections = [];
  for (const [path, item] of Object.entries(api.paths)) {
    for (const method of METHODS.filter((name) => item[name])) {
      const id = `${method}${path}`.replace(/[^a-z0-9]+/gi, "-").replace(/-$/, "");
      const tag = item[method].tags?.[0] ?? "Endpoints";
      const merged = { ...item[method], parameters: [...(item.parameters ?? []), ...(item[method].parameters ?? [])] };
      const link = el("a", { href: `#${id}` }, el("span", { className: "method" }, method.toUpperCase()), path);
      groups.set(tag, [...(groups.get(tag) ?? []), { link, node: section(method, path, merged, id) }]);
    }
  }
  for (const [tag, operations] of groups) {
    byId("contents").append(el("h2", {}, tag), el("ul", {}, operations.map(({ link }) => el("li", {}, link))));
    sections.push(...operations.map(({ node }) => node));
  }
  byId("content").replaceChildren(intro(), ...sections);
  if (location.hash) byId(location.hash.slice(1))?.scrollIntoView();
}

try {
  api = await (await send("GET", byId("openapi").getAttribute("href"))).json();
  render();
} catch (error) {
  byId("loading").className = "error";
  byId("loading").textContent = `The description of the API cannot be read. ${error.message}`;
}
