// The last minutes of a circuit: a ribbon of its states, as high as they are bad, and above it a
// line of the calls rejected per second. One unit of the drawing is one second.

import { s, setAttribute } from "./dom.js";
import { CHART_SECONDS } from "./rejections.js";

const HEIGHT = 48;
const RIBBON_TOP = 36;
const RIBBON_HEIGHTS = { OPEN: 12, HALF_OPEN: 7, READY: 3, CLOSED: 3 };
const NARROWEST = 5; // a short opening must be seen as well

export class Chart {
  #paths;
  #line = s("path", { class: "chart-line" });
  #area = s("path", { class: "chart-area" });

  constructor(attributes = {}) {
    this.#paths = Object.fromEntries(
      Object.keys(RIBBON_HEIGHTS).map((state) => [state, s("path", { class: `ribbon ribbon-${state}` })]),
    );
    this.element = s(
      "svg",
      { class: "chart", viewBox: `0 0 ${CHART_SECONDS} ${HEIGHT}`, preserveAspectRatio: "none", ...attributes },
      this.#area,
      this.#line,
      ...Object.values(this.#paths),
    );
  }

  draw(circuit, now) {
    const start = now - CHART_SECONDS;
    const shapes = Object.fromEntries(Object.keys(RIBBON_HEIGHTS).map((state) => [state, ""]));
    for (const { from, to, state } of stretches(circuit.row, now)) {
      const height = RIBBON_HEIGHTS[state];
      const width = Math.max(to - from, state === "CLOSED" || state === "READY" ? 0 : NARROWEST);
      const left = Math.min(from - start, CHART_SECONDS - width);
      shapes[state] += `M${round(left)} ${HEIGHT - height}h${round(width)}v${height}h${-round(width)}z`;
    }
    for (const [state, shape] of Object.entries(shapes)) setAttribute(this.#paths[state], "d", shape);
    const line = lineOf(circuit.rejections.series, start);
    setAttribute(this.#line, "d", line);
    setAttribute(this.#area, "d", line && `${line}V${RIBBON_TOP - 2}H${line.slice(1, line.indexOf(" "))}z`);
  }
}

/** Hairlines at every second minute, for a chart large enough for them. */
export function hairlines() {
  let path = "";
  for (let second = 120; second < CHART_SECONDS; second += 120) path += `M${second} 0V${HEIGHT}`;
  return s("path", { class: "chart-hairlines", d: path });
}

/**
 * The states of the last minutes, oldest first; what was before the first change is its `old`.
 * An opening that is over and waits for a call is READY since its end.
 */
export function stretches({ recent, state, ready_to_probe: isReady, next_attempt: end }, now) {
  const start = now - CHART_SECONDS;
  const found = [];
  let from = start;
  let current = recent.length ? recent[0][1] : state;
  for (const [time, next] of recent) {
    const to = Math.min(Math.max(time, start), now);
    if (to > from || time > start) found.push({ from, to, state: current });
    [from, current] = [Math.max(to, from), next];
  }
  if (isReady && end !== null) {
    const over = Math.min(Math.max(end, from), now);
    if (over > from) found.push({ from, to: over, state: current });
    [from, current] = [over, "READY"];
  }
  found.push({ from, to: now, state: current });
  return found;
}

function lineOf(series, start) {
  if (!series.length) return "";
  const top = Math.max(1, ...series.map(([, rate]) => rate));
  let path = "";
  for (const [time, rate] of series) {
    const y = round((RIBBON_TOP - 4) * (1 - rate / top) + 2);
    path += path ? `H${round(time - start)}V${y}` : `M${round(Math.max(0, time - start))} ${y}`;
  }
  return series.at(-1)[1] > 0 ? `${path}H${CHART_SECONDS}` : path;
}

const round = (value) => Math.round(value * 10) / 10;
