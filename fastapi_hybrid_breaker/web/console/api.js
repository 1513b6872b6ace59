// The admin router's other paths. They lie beside this file, whatever prefix it is served under.

const EVENTS = new URL("../events", import.meta.url);
const CIRCUITS = new URL("../../", import.meta.url);

/** In memory alone, and so gone with the page. */
let token = null;

export function setToken(value) {
  token = value;
}

export function hasToken() {
  return token !== null;
}

/** An answer that is none of success, with what it says. */
export class Refusal extends Error {
  constructor(status, detail) {
    super(detail);
    this.status = status;
  }
}

/** No answer at all. */
export class Unreachable extends Error {}

export async function follow(lastId, signal) {
  const headers = { Accept: "text/event-stream" };
  if (lastId) headers["Last-Event-ID"] = lastId;
  return (await ask(EVENTS, { headers, signal })).body;
}

export async function show(key, signal) {
  return (await ask(pathOf(key), { signal })).json();
}

/** Each act gives how far it came: "fleet", "queued" or "local". */
export const acts = {
  async reset(key) {
    return reach(await ask(pathOf(key), { method: "DELETE" }), "X-Circuit-Reset");
  },

  async override(key, order) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(order);
    return reach(await ask(pathOf(key, "/-/override"), { method: "PUT", headers, body }), "X-Circuit-Override");
  },

  async clear(key, by) {
    const query = by ? `?${new URLSearchParams({ by })}` : "";
    return reach(await ask(pathOf(key, `/-/override${query}`), { method: "DELETE" }), "X-Circuit-Override");
  },
};

function pathOf(key, rest = "") {
  return new URL(encodeURIComponent(key) + rest, CIRCUITS);
}

function reach(answer, header) {
  return answer.headers.get(header) ?? "";
}

async function ask(url, { headers = {}, ...options } = {}) {
  if (token !== null) headers.Authorization = `Bearer ${token}`;
  let answer;
  try {
    answer = await fetch(url, { credentials: "same-origin", cache: "no-store", ...options, headers });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Unreachable("The server does not answer.", { cause: error });
  }
  if (!answer.ok) throw new Refusal(answer.status, await detailOf(answer));
  return answer;
}

/** What a refusal says: a problem's detail, or FastAPI's own. */
async function detailOf(answer) {
  const text = (await answer.text().catch(() => "")).slice(0, 2000);
  try {
    const { detail, title } = JSON.parse(text);
    const said = typeof detail === "string" ? detail : title;
    if (typeof said === "string" && said) return said;
  } catch {
    // no JSON: a proxy's page, of which the status says enough
  }
  return `The server answered ${answer.status}${answer.statusText ? ` ${answer.statusText}` : ""}.`;
}
