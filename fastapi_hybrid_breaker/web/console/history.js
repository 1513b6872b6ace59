// A circuit's last changes, the latest first, each with what it was decided on.

import { badge } from "./badge.js";
import { foreign, h } from "./dom.js";
import { short } from "./instances.js";
import { describeState } from "./status.js";
import { Time } from "./times.js";
import { timeOfDay } from "./words.js";

const CAUSES = {
  failures: "Too many failures",
  slow_calls: "Too many slow calls",
  probe_failed: "A probe failed",
  probes_succeeded: "Probes succeeded",
  timeout: "The open time was up",
  half_open_expired: "The recovery took too long",
  reset: "Reset",
  override: "Override set",
  override_ended: "Override ended",
  fleet: "Told by the fleet",
};

/** Make the list, and give the times in it that go on. */
export function describeHistory(changes) {
  const times = [];
  const items = [...changes].reverse().map((change) => {
    const time = new Time();
    time.show(change.time);
    times.push(time);
    return itemOf(change, time);
  });
  return { element: h("ol", { class: "history" }, ...items), times };
}

function itemOf({ old, new: next, cause, instance, evidence, time: at }, time) {
  const told = cause === "fleet" && evidence.cause ? evidence.cause : cause;
  return h(
    "li",
    {},
    h(
      "div",
      { class: "history-head" },
      badge(describeState(next)),
      h("span", { class: "history-cause" }, foreign(CAUSES[told] ?? told)),
      h("span", { class: "history-time" }, time.element, h("span", { class: "history-clock" }, timeOfDay(at))),
    ),
    h(
      "p",
      { class: "history-facts" },
      `was ${describeState(old).word.toLowerCase()}`,
      ...(instance ? [" · decided by ", foreign(short(instance), { class: "instance-id", title: instance })] : []),
    ),
    ...proofs(evidence).map(([name, text]) => h("p", { class: "history-proof" }, h("span", { class: "label" }, name), " ", foreign(text))),
  );
}

function proofs(evidence) {
  const calls = evidence.calls ? `${evidence.failed} of ${evidence.calls} calls failed${evidence.slow ? `, ${evidence.slow} slow` : ""}${evidence.window ? ` (${evidence.window})` : ""}` : "";
  return [
    ["Rule", evidence.rule],
    ["Calls", calls],
    ["Last error", evidence.error],
    ["By", evidence.by],
    ["Reason", evidence.reason],
  ].filter(([, text]) => text);
}
