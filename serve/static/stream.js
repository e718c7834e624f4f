// A run as it comes: one JSON object a line (`POST /simulate/stream`).

import { Problem, send } from "./api.js";

/** The objects of the answer, as they arrive; a run that fails on the way is a Problem. */
export async function* events(request, signal) {
  const response = await send("POST", "simulate/stream", { body: request, signal });
  for await (const line of lines(response.body)) {
    const event = JSON.parse(line);
    if (event.type === "error") throw new Problem(event.status ?? 500, event);
    yield event;
  }
}

async function* lines(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { value, done } = await reader.read();
      const parts = (rest + (value ?? "")).split("\n");
      rest = parts.pop();
      for (const part of parts) if (part.trim()) yield part;
      if (done) break;
    }
    if (rest.trim()) yield rest;
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { detail: "The connection broke while the run was on." });
  } finally {
    reader.cancel().catch(() => {});
  }
}

/** A frame's cells, 0 to 255. */
export function cells(data) {
  return Uint8Array.from(atob(data), (letter) => letter.charCodeAt(0));
}
