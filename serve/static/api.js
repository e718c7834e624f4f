// Requests to the server: the key, problem details as errors, and streams of frames.

const STORED_KEY = "mfnjax-api-key";

/** The key of this tab, kept until it is closed. */
export const key = {
  get: () => sessionStorage.getItem(STORED_KEY) ?? "",
  set: (value) => (value ? sessionStorage.setItem(STORED_KEY, value) : sessionStorage.removeItem(STORED_KEY)),
};

/** An answer that is not a success: problem details (RFC 9457), or no answer at all. */
export class Problem extends Error {
  constructor(status, details = {}, retryAfter = null) {
    super(details.detail || details.title || (status ? `The server answered ${status}.` : "The server cannot be reached."));
    this.status = status;
    this.code = details.error_code ?? "";
    this.fields = details.errors ?? [];
    this.retryAfter = retryAfter;
  }

  /** Whether the server wants a key, or another one. */
  get wantsKey() {
    return this.status === 401;
  }
}

/** Send a request; the answer if it is a success, else a Problem is thrown. */
export async function send(method, path, { body, headers = {}, signal } = {}) {
  const sent = { ...headers };
  if (body !== undefined) sent["Content-Type"] ??= "application/json";
  if (key.get()) sent["X-API-Key"] = key.get();
  const content = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  let response;
  try {
    response = await fetch(path, { method, headers: sent, body: content, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0);
  }
  if (response.ok) return response;
  const details = await response.json().catch(() => ({}));
  throw new Problem(response.status, details, response.headers.get("Retry-After"));
}
