// All that the page knows, from the events. Views ask it; it knows no view.

import * as clock from "./clock.js";
import { Fleet } from "./fleet.js";
import { Rejections } from "./rejections.js";
import { statusOf } from "./status.js";

/** What a circuit is of which only other instances have reported. */
const UNKNOWN_HERE = {
  state: "CLOSED", ready_to_probe: false, why: "", since: null, next_attempt: null, failures: 0, rejected: 0, calls: null,
  failure_rate: null, slow_rate: null, alone: false, mode: "enforce", shadowed: 0, shadowed_failures: 0, version: 0,
  override: null, recent: [],
};

export class Circuit {
  rejections = new Rejections();
  others = [];
  status = "closed";
  isKnownHere = false;

  constructor(key) {
    this.row = { ...UNKNOWN_HERE, key };
  }

  get key() {
    return this.row.key;
  }
}

/** Emits `changed` with the keys that differ (null: all), and `circuit` for each change of state. */
export class Model extends EventTarget {
  circuits = new Map();
  fleet = new Fleet();
  sync = null;
  library = "";
  hasData = false;
  #watchedSince = 0;
  #rejecting = new Set();

  apply(type, data) {
    if (type === "snapshot") this.#replace(data);
    else if (type === "sync") this.sync = data;
    else if (data.at) clock.hear(data.at);
    if (type === "circuit") this.#changed(data);
    else if (type === "figures") this.#figures(data);
    else if (type === "instances") this.#instances(data.instances);
    else this.#notify(type === "sync" ? [] : null);
  }

  get(key) {
    return this.circuits.get(key);
  }

  /** Look at the rates, once a second. */
  tick() {
    const at = clock.now();
    const keys = [];
    for (const circuit of this.#rejecting) {
      const differs = circuit.rejections.look(at, at - this.#watchedSince);
      if (circuit.rejections.isQuiet) this.#rejecting.delete(circuit);
      if (differs) keys.push(circuit.key);
    }
    if (keys.length) this.#notify(keys);
  }

  get rejectedPerSecond() {
    let sum = 0;
    for (const circuit of this.#rejecting) sum += circuit.rejections.rate;
    return sum;
  }

  #replace({ at, instance, library, circuits, instances, sync }) {
    clock.hear(at, true);
    this.fleet.own = instance;
    this.library = library;
    this.sync = sync;
    this.hasData = true;
    this.#watchedSince = at;
    const keys = new Set(circuits.map((row) => row.key));
    for (const circuit of this.circuits.values()) {
      if (!keys.has(circuit.key)) this.#forget(circuit);
    }
    for (const row of circuits) this.#take(row, at, false);
    this.#instances(instances);
  }

  #changed({ at, circuit: row, change }) {
    const circuit = this.#take(row, at, true);
    this.#notify([row.key]);
    this.dispatchEvent(new CustomEvent("circuit", { detail: { circuit, change } }));
  }

  #figures({ at, circuits, gone }) {
    for (const row of circuits) this.#take(row, at, true);
    for (const key of gone) {
      const circuit = this.circuits.get(key);
      if (circuit) this.#forget(circuit);
    }
    this.#notify(gone.length ? null : circuits.map((row) => row.key));
  }

  #instances(instances) {
    this.fleet.replace(instances);
    for (const key of this.fleet.keys()) this.#find(key);
    for (const circuit of this.circuits.values()) {
      this.#listen(circuit);
      if (!circuit.isKnownHere && !circuit.others.length) this.#forget(circuit);
    }
    this.#notify(null);
  }

  #take(row, at, isContinuous) {
    const circuit = this.#find(row.key);
    circuit.row = row;
    circuit.rejections.count(row.rejected, at, isContinuous && circuit.isKnownHere);
    circuit.isKnownHere = true;
    this.#listen(circuit);
    return circuit;
  }

  #listen(circuit) {
    circuit.others = this.fleet.of(circuit.row);
    circuit.status = statusOf(circuit.row, circuit.others);
    circuit.rejections.elsewhere = circuit.others.reduce((sum, one) => sum + one.rejecting, 0);
    if (!circuit.rejections.isQuiet) this.#rejecting.add(circuit);
  }

  #find(key) {
    let circuit = this.circuits.get(key);
    if (!circuit) this.circuits.set(key, (circuit = new Circuit(key)));
    return circuit;
  }

  #forget(circuit) {
    this.circuits.delete(circuit.key);
    this.#rejecting.delete(circuit);
  }

  #notify(keys) {
    this.dispatchEvent(new CustomEvent("changed", { detail: keys }));
  }
}
