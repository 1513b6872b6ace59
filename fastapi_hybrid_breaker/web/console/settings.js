// A circuit's configuration in words.

import { foreign, h } from "./dom.js";
import { duration, percent } from "./words.js";

export function describeSettings(config) {
  return h("dl", { class: "facts" }, ...factsOf(config).flatMap(([term, said]) => [h("dt", {}, term), h("dd", {}, foreign(said))]));
}

function factsOf(c) {
  const facts = [
    ["Opens at", c.trip.join(", or ")],
    ["Stays open for", duration(c.recovery_timeout) + backoff(c.backoff)],
    ["Closes after", `${c.success_threshold} successful probes, ${c.half_open_max_calls} at once`],
    ["A probe may take", duration(c.half_open_timeout)],
  ];
  if (c.half_open_max_duration !== null) facts.push(["Half-open at most", duration(c.half_open_max_duration)]);
  facts.push(["After a recovery", c.ramp_seconds === null ? "all calls at once" : `${c.ramp_shares.map(percent).join(", ")} of calls, over ${duration(c.ramp_seconds)}`]);
  facts.push(["Mode", c.mode === "shadow" ? "shadow: it rejects nothing" : "enforce: it rejects calls"]);
  facts.push(["Decides for", c.scope === "instance" ? "each process by itself" : `the fleet${quorum(c.quorum)}`]);
  facts.push(["Failures are", c.failure_exceptions.join(", ") || "no exceptions"]);
  if (c.success_exceptions.length) facts.push(["Successes as well", c.success_exceptions.join(", ")]);
  if (c.ignored_exceptions.length) facts.push(["Not counted", c.ignored_exceptions.join(", ")]);
  facts.push(["HTTP statuses that fail", c.failure_statuses === null ? "500 and above" : c.failure_statuses.join(", ")]);
  if (c.failure_result !== null) facts.push(["Results that fail", c.failure_result]);
  if (c.retry_after_limits !== null) facts.push(["Retry-After honored", c.retry_after_limits.map(duration).join(" to ")]);
  return facts;
}

function backoff(given) {
  return given === null ? "" : `, each time in a row ${given.multiplier} times longer, at most ${duration(given.maximum)}`;
}

function quorum(number) {
  if (number === 1 ) return "";
  return number < 1 ? `, when ${percent(number)} of instances see trouble` : `, when ${number} instances see trouble`;
}
