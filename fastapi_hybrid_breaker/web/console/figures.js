// What a circuit's figures are in words, in the list and on its own page alike.

import { causeInWords } from "./causes.js";
import { describeState } from "./status.js";
import { count, countdown, percent } from "./words.js";

/** When calls may be admitted again, and what that is called. */
export function outlook(circuit, now) {
  const { row, status } = circuit;
  if (row.override) {
    const { until } = row.override;
    return until === null ? "until cleared" : `ends in ${countdown(until - now)}`;
  }
  if (status === "ready") return "at the next call";
  if (row.state === "HALF_OPEN") return "probing now";
  if (row.state !== "OPEN" || status === "elsewhere") return "–";
  if (row.next_attempt === null) return "–";
  const left = row.next_attempt - now;
  return left > 0 ? countdown(left) : "at the next call";
}

export function failures({ row }) {
  if (row.failure_rate !== null && row.calls !== 0) return percent(row.failure_rate);
  return row.failures ? `${row.failures} in a row` : "–";
}

export function why({ row, status, others }) {
  if (row.override) return `${row.override.reason} (${row.override.by})`;
  if (status === "elsewhere") return "Closed in this process, open in others.";
  if (status === "half" && row.state === "CLOSED" && others.length) return "Closed in this process, half-open in others.";
  return causeInWords(row.why);
}

/** On how many of the fleet's instances it is so: "on 2 of 3 instances". */
export function where(circuit, fleet) {
  const { row, others, status } = circuit;
  const known = fleet.others.filter((one) => one.circuits !== null && one.sync === "connected");
  if (!known.length || ["closed", "shadow", "ready"].includes(status) || row.override) return row.alone ? "this instance only" : "";
  const state = status === "elsewhere" ? "OPEN" : status === "half" ? "HALF_OPEN" : row.state;
  const saying = others.filter((one) => one.counts && one.state === state && !one.ready_to_probe).length + (row.state === state ? 1 : 0);
  const total = known.length + 1;
  const name = describeState(state).word.toLowerCase();
  return saying === total ? `${name} on all ${total} instances` : `${name} on ${saying} of ${count(total, "instance")}`;
}
