// One circuit's own page.

import { adviceFor } from "./advice.js";
import { Refusal, show } from "./api.js";
import { Badge } from "./badge.js";
import { Chart, hairlines, stretches } from "./charts.js";
import { now } from "./clock.js";
import { byId, foreign, h, setAttribute, setHidden, setText } from "./dom.js";
import { failures, outlook, outlookLabel, shadowed, where, why } from "./figures.js";
import { describeHistory } from "./history.js";
import { Circuit } from "./model.js";
import { Places } from "./places.js";
import { describeSettings } from "./settings.js";
import { STATUSES, statusOf } from "./status.js";
import { Time } from "./times.js";
import { count, duration, percent, perSecond, sentence } from "./words.js";

export class Detail {
  key = null;
  caller = ""; // whether signing in names who asks, as far as it is known
  #model;
  #onRefused;
  #known = null; // what GET of the circuit said
  #asking = null;
  #askTimer = 0;
  #badge = new Badge({ id: "circuit-badge" });
  #chart = new Chart({ role: "img", class: "chart chart-large" });
  #since = new Time();
  #places = new Places();
  #times = [];

  constructor(model, onRefused) {
    this.#model = model;
    this.#onRefused = onRefused;
    byId("circuit-state").prepend(this.#badge.element);
    byId("circuit-since").append(this.#since.element);
    this.#chart.element.prepend(hairlines());
    byId("circuit-chart").prepend(this.#chart.element);
  }

  open(key) {
    this.key = key;
    this.#known = null;
    byId("circuit-key").replaceChildren(foreign(key));
    setText(byId("circuit-trouble"), "");
    for (const id of ["history", "settings"]) byId(id).replaceChildren(h("p", { class: "quiet" }, "Loading…"));
    this.draw();
    this.ask();
  }

  close() {
    this.#asking?.abort();
    this.key = null;
  }

  /** Ask for what the events do not have: configuration, history, where it is open on one instance only. */
  async ask() {
    if (this.key === null) return;
    this.#asking?.abort();
    const asking = (this.#asking = new AbortController());
    try {
      const { known, caller } = await show(this.key, asking.signal);
      if (asking.signal.aborted) return;
      [this.#known, this.caller] = [known, caller];
      setText(byId("circuit-trouble"), "");
      this.#drawKnown();
      this.draw();
    } catch (error) {
      if (asking.signal.aborted) return;
      if (error instanceof Refusal && error.status === 401) this.#onRefused(error);
      if (error instanceof Refusal && error.status === 404) this.#known = null;
      setText(byId("circuit-trouble"), sentence(error.message));
      this.draw();
    }
  }

  /** Ask after a change; one that changes all the time is not asked for all the time. */
  askSoon() {
    this.#askTimer ||= setTimeout(() => {
      this.#askTimer = 0;
      this.ask();
    }, 300);
  }

  /** The circuit as the events have it; as the answer has it where they do not. */
  get circuit() {
    const found = this.#model.get(this.key);
    if (found) return found;
    const circuit = new Circuit(this.key);
    if (this.#known) {
      const { config, history } = this.#known;
      circuit.row = { ...circuit.row, ...this.#known, since: history.at(-1)?.time ?? null, override: null };
      circuit.status = statusOf(circuit.row, []);
    }
    return circuit;
  }

  draw() {
    if (this.key === null) return;
    const isUnknown = !this.#model.get(this.key) && !this.#known;
    if (byId("circuit").hasAttribute("data-unknown") && !isUnknown) this.askSoon();
    setAttribute(byId("circuit"), "data-unknown", isUnknown ? "" : null);
    const { circuit } = this;
    const { row, status, rejections } = circuit;
    const { fleet } = this.#model;
    this.#badge.show(STATUSES[status]);
    byId("circuit").dataset.tone = STATUSES[status].tone;
    setText(byId("circuit-why"), why(circuit));
    setText(byId("circuit-where"), where(circuit, fleet));
    setText(byId("circuit-advice"), adviceFor(circuit));
    setHidden(byId("act-clear"), row.override === null);
    setHidden(byId("act-shadow"), row.mode === "shadow");
    setHidden(byId("act-enforced"), row.mode !== "shadow");
    setText(byId("fact-failures"), failures(circuit));
    setText(byId("fact-calls"), row.calls === null ? "–" : row.calls.toLocaleString());
    setText(byId("fact-slow"), percent(row.slow_rate));
    setText(byId("fact-rejecting"), `${perSecond(rejections.rate)} per second`);
    setText(byId("fact-rejected"), row.rejected.toLocaleString());
    setText(byId("fact-shadowed"), shadowed(row));
    setHidden(byId("fact-shadowed").parentElement, row.mode !== "shadow" && !row.shadowed);
    this.#since.show(row.since);
    this.#places.draw(circuit, fleet, this.#known?.open_at ?? []);
    this.tick();
  }

  tick() {
    if (this.key === null) return;
    const { circuit } = this;
    const at = now();
    this.#since.tick();
    setText(byId("circuit-outlook-label"), outlookLabel(circuit));
    setText(byId("circuit-outlook"), outlook(circuit, at));
    this.#chart.draw(circuit, at);
    this.#chart.element.setAttribute("aria-label", inWords(circuit, at));
    setText(byId("chart-top"), topOf(circuit));
    this.#places.tick();
    for (const time of this.#times) time.tick();
  }

  #drawKnown() {
    const { element, times } = describeHistory(this.#known.history);
    this.#times = times;
    byId("history").replaceChildren(times.length ? element : h("p", { class: "quiet" }, "It has never changed in this process."));
    byId("settings").replaceChildren(describeSettings(this.#known.config));
  }
}

/** What the chart shows, for who does not see it. */
function inWords({ row, rejections }, at) {
  const found = stretches(row, at);
  const open = found.filter((one) => one.state === "OPEN");
  const seconds = open.reduce((sum, one) => sum + one.to - one.from, 0);
  const most = Math.max(0, ...rejections.series.map(([, rate]) => rate));
  const opened = open.length ? `open ${count(open.length, "time")}, for ${duration(seconds)} in all` : "never open";
  return `The last 10 minutes: ${opened}; at most ${perSecond(most)} calls rejected per second since this page was opened.`;
}

function topOf({ rejections }) {
  const most = Math.max(0, ...rejections.series.map(([, rate]) => rate));
  return most > 0 ? `rejected, at most ${perSecond(most)} per second` : "none rejected since this page was opened";
}
