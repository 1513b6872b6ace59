// What a circuit's figures are in words, in the list and on its own page alike.

import { causeInWords, overrideInWords } from "./causes.js";
import { describeState } from "./status.js";
import { count, countdown, percent, timeOfDay } from "./words.js";

/** Whether an override sets the state itself, and not only the mode. */
function isFixed({ override }) {
  return override !== null && !["shadow", "enforced"].includes(override.kind);
}

/** Whether there is nothing to look forward to but the end of an override. */
function showsOverride(row) {
  return isFixed(row) || (row.override !== null && row.state === "CLOSED");
}

/** What `outlook` is about. */
export function outlookLabel({ row }) {
  return showsOverride(row) ? "Override" : "Next probe";
}

/** When calls may be admitted again. */
export function outlook(circuit, now) {
  const { row, status } = circuit;
  if (showsOverride(row)) {
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
  if (isFixed(row)) return `${row.override.reason} (${row.override.by})`;
  if (row.override) return inWords(row.override);
  if (status === "elsewhere") return "Closed in this process, open in others.";
  if (status === "half" && row.state === "CLOSED" && others.length) return "Closed in this process, half-open in others.";
  return causeInWords(row.why);
}

/** An override of the mode: "Shadow mode until 4:37:29 PM: a trial (ann)". */
function inWords({ kind, by, reason, until }) {
  return `${overrideInWords(kind)}${until === null ? "" : ` until ${timeOfDay(until)}`}: ${reason} (${by})`;
}

/** What shadow mode kept from being rejected, and how much of it failed: "1,204 (71 % failed)". */
export function shadowed({ shadowed: calls, shadowed_failures: failed }) {
  return calls ? `${calls.toLocaleString()} (${percent(failed / calls)} failed)` : "0";
}

/** On how many of the fleet's instances it is so: "on 2 of 3 instances". */
export function where(circuit, fleet) {
  const { row, others, status } = circuit;
  const known = fleet.others.filter((one) => one.circuits !== null && one.sync === "connected");
  if (!known.length || ["closed", "shadow", "ready"].includes(status) || isFixed(row)) return row.alone ? "this instance only" : "";
  const state = status === "elsewhere" ? "OPEN" : status === "half" ? "HALF_OPEN" : row.state;
  const saying = others.filter((one) => one.counts && one.state === state && !one.ready_to_probe).length + (row.state === state ? 1 : 0);
  const total = known.length + 1;
  const name = describeState(state).word.toLowerCase();
  return saying === total ? `${name} on all ${total} instances` : `${name} on ${saying} of ${count(total, "instance")}`;
}
