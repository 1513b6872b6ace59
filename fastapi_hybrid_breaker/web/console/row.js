// One circuit in the list.

import { Badge } from "./badge.js";
import { Chart } from "./charts.js";
import { h, setAttribute, setText } from "./dom.js";
import { failures, outlook, outlookLabel, where, why } from "./figures.js";
import { addressOf } from "./route.js";
import { STATUSES } from "./status.js";
import { Time } from "./times.js";
import { percent, perSecond } from "./words.js";

/** Seconds after which a chart has moved on visibly. */
const REDRAW = 4;

export class Row {
  #circuit = null;
  #drawnAt = -Infinity;
  #badge = new Badge();
  #chart = new Chart({ "aria-hidden": "true", class: "chart chart-small" });
  #since = new Time();
  #why = h("bdi");
  #where = h("p", { class: "where" });
  #outlookLabel = h("span");
  #outlook = h("span", { class: "value" });
  #failures = h("span", { class: "value" });
  #slow = h("span", { class: "value" });
  #rejected = h("span", { class: "value" });

  constructor(key) {
    this.link = h("a", { href: addressOf(key), class: "key" }, h("bdi", {}, key));
    this.element = h(
      "li",
      { class: "row" },
      h("div", { class: "cell-state" }, this.#badge.element),
      h("div", { class: "cell-name" }, this.link, h("p", { class: "why" }, this.#why), this.#where),
      cell("since", "Since", this.#since.element),
      cell("outlook", this.#outlookLabel, this.#outlook),
      cell("failures", "Failures", this.#failures),
      cell("slow", "Slow", this.#slow),
      cell("rejected", "Rejected/s", this.#rejected),
      h("div", { class: "cell-chart" }, this.#chart.element),
    );
  }

  show(circuit, fleet, now) {
    this.#circuit = circuit;
    const { row, status, rejections } = circuit;
    this.#badge.show(STATUSES[status]);
    setAttribute(this.element, "data-tone", STATUSES[status].tone);
    setText(this.#why, why(circuit));
    setText(this.#where, where(circuit, fleet));
    setText(this.#outlookLabel, outlookLabel(circuit));
    setText(this.#failures, failures(circuit));
    setText(this.#slow, percent(row.slow_rate));
    setText(this.#rejected, perSecond(rejections.rate));
    setAttribute(this.element, "data-rejecting", rejections.rate > 0 ? "" : null);
    this.#since.show(row.since);
    this.#drawnAt = -Infinity;
    this.tick(now);
  }

  /** Go on with the time: what was not reported again can have come nearer, or gone by. */
  tick(now) {
    this.#since.tick();
    setText(this.#outlook, outlook(this.#circuit, now));
    const { row, rejections } = this.#circuit;
    const isFlat = !row.recent.length && !rejections.series.length;
    if (this.#drawnAt === -Infinity || (!isFlat && now - this.#drawnAt >= REDRAW)) {
      this.#drawnAt = now;
      this.#chart.draw(this.#circuit, now);
    }
  }
}

function cell(name, label, value) {
  return h("div", { class: `cell cell-${name}` }, h("span", { class: "label" }, label), " ", value);
}
