// The admin router's other paths. They lie beside this file, whatever prefix it is served under.

const EVENTS = new URL("../events", import.meta.url);
const HEALTH = new URL("../health", import.meta.url);
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

/** Return the circuit, and whether signing in names who asks: "named", "unnamed". */
export async function show(key, signal) {
  const answer = await ask(pathOf(key), { signal });
  return { known: await answer.json(), caller: answer.headers.get("X-Circuit-Caller") ?? "" };
}

/** How the answering process stands to the fleet. */
export async function exchange() {
  return (await (await ask(HEALTH)).json()).sync;
}

/** Each act gives how far it came, "fleet", "queued" or "local", and the process that has it. */
export const acts = {
  async reset(key, said) {
    const answer = await ask(pathOf(key, query(said)), { method: "DELETE" });
    return { ...reach(answer, "X-Circuit-Reset"), left: overrideIn(answer.headers.get("X-Circuit-Overridden") ?? "") };
  },

  async override(key, order) {
    const headers = { "Content-Type": "application/json" };
    const body = JSON.stringify(order);
    return reach(await ask(pathOf(key, "/-/override"), { method: "PUT", headers, body }), "X-Circuit-Override");
  },

  async clear(key, said) {
    return reach(await ask(pathOf(key, `/-/override${query(said)}`), { method: "DELETE" }), "X-Circuit-Override");
  },
};

/** What is said, without what is not. */
function query(said) {
  const given = Object.entries(said).filter(([, text]) => text);
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

function pathOf(key, rest = "") {
  return new URL(encodeURIComponent(key) + rest, CIRCUITS);
}

function reach(answer, header) {
  return { reach: answer.headers.get(header) ?? "", instance: answer.headers.get("X-Circuit-Instance") ?? "" };
}

/** The override that a reset has left in force, or null: "forced_open; by=ann%40desk". */
function overrideIn(text) {
  const found = /^(\w+); by=(\S*)$/.exec(text);
  return found && { kind: found[1], by: decodeURIComponent(found[2]) };
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
