// One circuit on each instance of the fleet.

import { badge } from "./badge.js";
import { byId, h, setHidden, setText } from "./dom.js";
import { shadowed } from "./figures.js";
import { nameOf, syncSign } from "./instances.js";
import { describeState, STATUSES } from "./status.js";
import { Time } from "./times.js";
import { perSecond } from "./words.js";

const HEALTHY = { state: "CLOSED", ready_to_probe: false, rejecting: 0, shadowed: null };

export class Places {
  #times = [];
  #drawn = null;

  draw(circuit, fleet, openAt) {
    const drawn = JSON.stringify([circuit.row.state, circuit.row.ready_to_probe, circuit.row.since, circuit.rejections.own, circuit.row.mode, circuit.row.shadowed, fleet.own, fleet.instances, openAt]);
    if (drawn === this.#drawn) return;
    this.#drawn = drawn;
    this.#times = [];
    setHidden(byId("places-table"), !fleet.instances.length);
    setText(byId("places-none"), fleet.instances.length ? "" : "There is no fleet, or Redis does not answer: this process alone is known.");
    byId("places").replaceChildren(...fleet.instances.map((one) => this.#line(one, circuit, fleet, openAt)));
  }

  tick() {
    for (const time of this.#times) time.tick();
  }

  #line(instance, circuit, fleet, openAt) {
    const isOwn = instance.id === fleet.own;
    const said = isOwn
      ? { ...circuit.row, rejecting: circuit.rejections.own, shadowed: circuit.row.mode === "shadow" ? circuit.row.shadowed : null }
      : instance.circuits === null ? null : (instance.circuits[circuit.key] ?? HEALTHY);
    const isSure = said !== null && (said !== HEALTHY || instance.more === 0);
    const reported = new Time();
    reported.show(instance.last_seen);
    if (!isOwn) this.#times.push(reported);
    const isOld = !isOwn && instance.last_seen < (circuit.row.since ?? 0);
    const notes = [isOwn ? "answers this page" : "", isOld ? "no report since the last change" : "", openAt.includes(instance.id) ? "open for itself alone" : "", said?.shadowed ? `would have rejected ${shadowed(said)}` : ""].filter(Boolean);
    return h(
      "tr",
      {},
      h("th", { scope: "row" }, nameOf(instance), notes.length ? h("span", { class: "tag" }, notes.join(", ")) : null),
      h("td", {}, badge(isSure ? stateOf(said) : describeState(null))),
      h("td", { class: "number" }, isSure ? perSecond(said.rejecting) : "–"),
      h("td", {}, syncSign(instance.sync)),
      h("td", {}, isOwn ? "now" : reported.element),
    );
  }
}

function stateOf({ state, ready_to_probe: isReady, shadowed: calls }) {
  return calls !== null && state !== "CLOSED" && !isReady ? STATUSES.shadow : describeState(state, isReady);
}
