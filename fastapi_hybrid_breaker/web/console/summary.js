// The strip at the top: how many circuits are how, which chooses what the list shows; the headline.

import { byId, h, icon, setAttribute, setHidden, setText } from "./dom.js";
import { FILTERS } from "./order.js";
import { count, perSecond } from "./words.js";

const ICONS = { all: "all", open: "open", half: "half", overridden: "forced", shadow: "shadow", ready: "ready", closed: "closed" };
const TONES = { all: "none", open: "open", half: "half", overridden: "hand", shadow: "shadow", ready: "ready", closed: "closed" };

export class Summary {
  #model;
  #tiles = new Map();

  constructor(model, choose) {
    this.#model = model;
    for (const [name, { word }] of Object.entries(FILTERS)) {
      const number = h("strong", { class: "tile-number" }, "–");
      const button = h(
        "button",
        { type: "button", class: "tile", "data-tone": TONES[name], "aria-pressed": "false", onclick: () => choose(name) },
        number,
        h("span", { class: "tile-word" }, icon(ICONS[name]), word),
      );
      const item = h("li", {}, button);
      this.#tiles.set(name, { button, number, item });
      byId("tiles").append(item);
    }
  }

  draw(filter) {
    const circuits = [...this.#model.circuits.values()];
    const counts = {};
    for (const [name, { fits }] of Object.entries(FILTERS)) {
      counts[name] = circuits.filter(fits).length;
      const { button, number, item } = this.#tiles.get(name);
      setText(number, counts[name].toLocaleString());
      setAttribute(button, "aria-pressed", String(name === filter));
      setAttribute(button, "data-none", counts[name] ? null : "");
      setHidden(item, (name === "shadow" || name === "ready") && !counts[name] && name !== filter);
    }
    const { headline, tone } = describe(counts);
    setText(byId("headline"), headline);
    setAttribute(byId("headline"), "data-tone", tone);
    const rate = this.#model.rejectedPerSecond;
    setText(byId("rejected-total"), rate > 0 ? `${perSecond(rate)} calls rejected per second` : "No calls are being rejected");
    document.title = counts.open ? `(${counts.open} open) Circuits` : "Circuits";
  }
}

function describe(counts) {
  if (counts.open) return { headline: `${count(counts.open, "circuit is", "circuits are")} open`, tone: "open" };
  if (counts.half) return { headline: `${count(counts.half, "circuit is", "circuits are")} recovering`, tone: "half" };
  if (!counts.all) return { headline: "No circuits yet", tone: "none" };
  return { headline: "No circuit is open", tone: "closed" };
}
