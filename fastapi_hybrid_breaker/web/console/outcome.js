// What became of an act: how far the server's answer says it came, what became of it where it had
// to wait, and what the events say. Nothing is claimed that nobody has reported.

import { REACHES } from "./acts.js";
import { exchange } from "./api.js";
import { overrideInWords } from "./causes.js";
import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { where } from "./figures.js";
import { STATUSES } from "./status.js";
import { count, timeOfDay } from "./words.js";

/** Milliseconds after which no change means that there was nothing to change. */
const PATIENCE = 4000;

/** Milliseconds between two questions whether the fleet has taken what is queued. */
const ASK_EVERY = 1500;

/** After so many answers of other processes in a row it is said that the one asked for is not heard. */
const MOST_STRANGERS = 6;

/** So often Redis must be said to answer: that it hangs is noticed after three seconds only. */
const SURE = 4;

const DONE = { reset: "Reset", forced_open: "Forced open", disabled: "Disabled", shadow: "In shadow mode", enforced: "Enforced", clear: "Override cleared" };

export class Outcome {
  #model;
  #stream;
  #act = null; // {name, key, since, reach, instance, left, answeredAt, strangers, refusals}
  #timer = 0;
  #panel = byId("outcome");

  constructor(model, stream) {
    [this.#model, this.#stream] = [model, stream];
    byId("outcome-close").addEventListener("click", () => this.dismiss());
  }

  sent(name, key) {
    this.dismiss();
    // When it changed last before: the event may come before the answer.
    this.#act = { name, key, since: this.#model.get(key)?.row.since ?? null, reach: null, strangers: 0, refusals: 0 };
  }

  answered(name, key, { reach, instance, left = null }) {
    if (this.#act === null) return; // the page shows another circuit by now
    Object.assign(this.#act, { reach, instance, left, answeredAt: performance.now() });
    if (reach === "queued") this.#askSoon();
    this.draw();
  }

  dismiss() {
    clearTimeout(this.#timer);
    this.#act = null;
    setHidden(this.#panel, true);
  }

  draw() {
    const act = this.#act;
    if (!act || act.reach === null) return;
    const { said, tone } = REACHES[act.reach] ?? { said: `The server says “${act.reach}”.`, tone: "half" };
    setHidden(this.#panel, false);
    setAttribute(this.#panel, "data-tone", act.left ? "half" : tone);
    setText(byId("outcome-title"), `${DONE[act.name]}. ${said}`);
    setText(byId("outcome-text"), act.left ? `${stays(act.left)} Clear it to let the circuit decide by itself.` : this.#follow(act));
  }

  #askSoon() {
    this.#timer = setTimeout(() => this.#ask(this.#act), ASK_EVERY);
  }

  /** Ask whether the process that has the action still has it. */
  async #ask(act) {
    try {
      const { instance, state, orders } = await exchange();
      if (this.#act !== act) return;
      if (instance !== act.instance) {
        act.strangers += 1;
        if (act.strangers >= MOST_STRANGERS) act.reach = "unknown";
      } else {
        act.strangers = 0;
        act.refusals = state === "connected" ? act.refusals + 1 : 0;
        if (!orders.includes(act.key)) act.reach = "taken";
        else act.reach = act.refusals >= SURE ? "refused" : "queued";
      }
    } catch {
      if (this.#act !== act) return; // no answer: the page says so elsewhere
    }
    if (act.reach !== "taken") this.#askSoon();
    this.draw();
  }

  #follow(act) {
    const circuit = this.#model.get(act.key);
    const isLive = this.#stream.state === "live";
    if (!circuit) return isLive ? "This process does not know the circuit: there was nothing to change here." : NOT_LIVE;
    const word = STATUSES[circuit.status].word;
    if (circuit.row.since === act.since) {
      if (!isLive) return NOT_LIVE;
      if (performance.now() - act.answeredAt < PATIENCE) return "Waiting for the change…";
      return `There was nothing to change: here it is “${word}”, as before.`;
    }
    const place = where(circuit, this.#model.fleet);
    const others = this.#model.fleet.others.length ? ` ${this.#others(circuit)}` : "";
    return `In this process it is “${word}” since ${timeOfDay(circuit.row.since)}${place ? `; ${place}` : ""}.${others}`;
  }

  #others({ key, row }) {
    const living = this.#model.fleet.others.filter((one) => one.sync === "connected");
    if (!living.length) return "The other instances are cut off.";
    const reported = living.filter((one) => one.last_seen > (row.since ?? 0));
    const waiting = living.length - reported.length;
    const unlike = reported.filter((one) => (one.circuits?.[key]?.state ?? "CLOSED") !== row.state).length;
    if (waiting) return `${count(waiting, "other instance has", "other instances have")} not reported since.`;
    if (unlike) return `${count(unlike, "other instance says", "other instances say")} otherwise.`;
    return "The other instances say the same.";
  }
}

/** That a reset ends no override. */
export function stays({ kind, by }) {
  return `The override by ${by} stays in force: ${overrideInWords(kind).toLowerCase()}.`;
}

const NOT_LIVE = "The page is not live: what became of it is shown when it is again.";
