// The connection to the live events, which comes back by itself.

import { follow, Refusal } from "./api.js";
import { EventParser } from "./sse.js";

/** Milliseconds without a word after which the connection counts as lost; the server pings before. */
const SILENCE = 35_000;
const FIRST_PAUSE = 500;
const LONGEST_PAUSE = 15_000;

/**
 * Emits `event` (type, data), and `state` when `state` changes: "connecting", "live", "lost" with
 * `retryAt` and `reason`, or "refused" with the `refusal`.
 */
export class Stream extends EventTarget {
  state = "connecting";
  reason = "";
  refusal = null;
  retryAt = 0;
  #lastId = null;
  #failures = 0;
  #abort = null;
  #timer = 0;

  constructor() {
    super();
    addEventListener("online", () => this.retry());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.retry();
    });
  }

  /** Connect now, unless it is connected or tries already. */
  retry() {
    if (this.#abort === null) this.open();
  }

  /** Connect, also where there is a connection: with another token, or for a fresh snapshot. */
  async open() {
    clearTimeout(this.#timer);
    this.#abort?.abort();
    const abort = (this.#abort = new AbortController());
    let reason = "The server has ended the connection.";
    try {
      await this.#read(abort);
      if (abort.signal.reason === SILENCE) reason = silent();
    } catch (error) {
      if (abort.signal.aborted && abort.signal.reason !== SILENCE) return; // another has taken over
      if (error instanceof Refusal && [401, 403].includes(error.status)) return this.#refuse(error);
      reason = abort.signal.aborted ? silent() : reasonOf(error);
    }
    if (this.#abort === abort) this.#lose(reason);
  }

  async #read(abort) {
    let watch = 0;
    const heard = () => {
      clearTimeout(watch);
      watch = setTimeout(() => abort.abort(SILENCE), SILENCE);
    };
    heard();
    try {
      const body = await follow(this.#lastId, abort.signal);
      heard();
      if (this.#lastId) this.#become("live"); // it goes on where it was: the next event may take a while
      const reader = body.pipeThrough(new TextDecoderStream()).getReader();
      const parser = new EventParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return;
        heard();
        for (const event of parser.feed(value)) this.#emit(event);
        // Only after its event has been taken in: what comes again harms less than what is missing.
        this.#lastId = parser.lastId ?? this.#lastId;
        this.#failures = 0;
        this.#become("live");
      }
    } finally {
      clearTimeout(watch);
    }
  }

  #emit(event) {
    const data = JSON.parse(event.data);
    this.dispatchEvent(new CustomEvent("event", { detail: { type: event.type, data } }));
  }

  #lose(reason) {
    this.#abort = null;
    const pause = Math.min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** this.#failures) * (0.75 + Math.random() / 2);
    this.#failures += 1;
    this.reason = reason;
    this.retryAt = Date.now() + pause;
    this.#timer = setTimeout(() => this.open(), pause);
    this.#become("lost");
  }

  #refuse(refusal) {
    this.#abort = null;
    this.refusal = refusal;
    this.#become("refused");
  }

  #become(state) {
    if (state === this.state && state === "live") return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }
}

const silent = () => `Nothing was heard for ${SILENCE / 1000} seconds.`;

function reasonOf(error) {
  return error instanceof Refusal ? error.message : "The server does not answer.";
}
