// What became of an act: how far the server's answer says it came, then what the events say.

import { REACHES } from "./acts.js";
import { now } from "./clock.js";
import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { where } from "./figures.js";
import { STATUSES } from "./status.js";
import { count, timeOfDay } from "./words.js";

/** Seconds after which no change means that there was nothing to change. */
const PATIENCE = 4;

const DONE = { reset: "Reset", forced_open: "Forced open", disabled: "Disabled", clear: "Override cleared" };

export class Outcome {
  #model;
  #act = null; // {name, key, reach, answeredAt, changedAt}
  #panel = byId("outcome");

  constructor(model) {
    this.#model = model;
    byId("outcome-close").addEventListener("click", () => this.dismiss());
    model.addEventListener("circuit", ({ detail: { circuit } }) => {
      // The event may come before the answer: it is listened for from the sending on.
      if (this.#act?.key === circuit.key) this.#act.changedAt = now();
      this.draw();
    });
  }

  sent(name, key) {
    this.#act = { name, key, reach: null, answeredAt: 0, changedAt: null };
    setHidden(this.#panel, true);
  }

  answered(name, key, reach) {
    Object.assign(this.#act, { reach, answeredAt: now() });
    this.draw();
  }

  dismiss() {
    this.#act = null;
    setHidden(this.#panel, true);
  }

  draw() {
    const act = this.#act;
    if (!act || act.reach === null) return;
    const { said, tone } = REACHES[act.reach] ?? { said: `The server says “${act.reach}”.`, tone: "half" };
    setHidden(this.#panel, false);
    setAttribute(this.#panel, "data-tone", tone);
    setText(byId("outcome-title"), `${DONE[act.name]}. ${said}`);
    setText(byId("outcome-text"), this.#follow(act));
  }

  #follow(act) {
    const circuit = this.#model.get(act.key);
    if (!circuit) return "The events do not tell of this circuit.";
    const word = STATUSES[circuit.status].word;
    if (act.changedAt === null) {
      return now() - act.answeredAt < PATIENCE ? "Waiting for the change…" : `No change came: here it is “${word}”, as before.`;
    }
    const place = where(circuit, this.#model.fleet);
    const calm = this.#model.fleet.others.length ? ` ${this.#others(circuit)}` : "";
    return `In this process it is “${word}” since ${timeOfDay(circuit.row.since ?? act.changedAt)}${place ? `; ${place}` : ""}.${calm}`;
  }

  #others({ key, row }) {
    const told = this.#model.fleet.others.filter((one) => one.last_seen > (row.since ?? 0));
    const waiting = this.#model.fleet.others.length - told.length;
    const unlike = told.filter((one) => (one.circuits?.[key]?.state ?? "CLOSED") !== row.state).length;
    if (waiting) return `${count(waiting, "other instance has", "other instances have")} not told since.`;
    return unlike ? `${count(unlike, "other instance says", "other instances say")} otherwise.` : "The other instances say the same.";
  }
}
