// Changes of state for screen readers: what changed, and never the figures, which never rest.

import { byId } from "./dom.js";
import { STATUSES } from "./status.js";
import { count } from "./words.js";

/** Milliseconds in which changes are gathered, so that a storm of them is one sentence. */
const GATHER = 800;
const MOST = 3;

export class Announcer {
  #changed = new Map();
  #timer = 0;

  constructor(model) {
    model.addEventListener("circuit", ({ detail: { circuit } }) => {
      this.#changed.set(circuit.key, circuit);
      this.#timer ||= setTimeout(() => this.#speak(), GATHER);
    });
  }

  #speak() {
    const changed = [...this.#changed.values()];
    this.#changed.clear();
    this.#timer = 0;
    const said = changed.slice(0, MOST).map(({ key, status }) => `${key}: ${STATUSES[status].word}.`);
    if (changed.length > MOST) said.push(`And ${count(changed.length - MOST, "more circuit")}.`);
    byId("announcer").textContent = said.join(" ");
  }
}
