// A circuit's last changes, the latest first, each with what it was decided on.

import { badge } from "./badge.js";
import { causeOf } from "./causes.js";
import { foreign, h } from "./dom.js";
import { short } from "./instances.js";
import { describeState } from "./status.js";
import { Time } from "./times.js";
import { timeOfDay } from "./words.js";

/** Make the list, and give the times in it that go on. */
export function describeHistory(changes) {
  const times = [];
  const items = [...changes].reverse().map((change) => {
    const time = new Time();
    time.show(change.time);
    times.push(time);
    return itemOf(change, time);
  });
  const list = h("ol", { class: "history" }, ...items);
  const often = oftenOpenedBy(changes);
  return { element: often ? h("div", {}, often, list) : list, times };
}

/** Name the instance that most of the last openings came from: it may be sick, and not the upstream. */
function oftenOpenedBy(changes) {
  const byHand = ["override", "override_ended"];
  const openers = changes.filter((one) => one.new === "OPEN" && one.instance && !byHand.includes(one.cause)).slice(-5).map((one) => one.instance);
  const times = (id) => openers.filter((one) => one === id).length;
  const most = openers.find((id) => times(id) * 2 > openers.length);
  if (openers.length < 3 || most === undefined) return null;
  const name = foreign(short(most), { class: "instance-id", title: most });
  return h("p", { class: "quiet", id: "often-opened-by" }, `${times(most)} of the last ${openers.length} openings came from instance `, name);
}

function itemOf(change, time) {
  const { old, new: next, instance } = change;
  const cause = causeOf(change);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "history-head" },
      badge(describeState(next)),
      h("span", { class: "history-cause" }, foreign(cause)),
      h("span", { class: "history-time" }, time.element, h("span", { class: "history-clock" }, timeOfDay(change.time))),
    ),
    h(
      "p",
      { class: "history-facts" },
      `was ${describeState(old).word.toLowerCase()}`,
      ...(instance ? [" · decided by ", foreign(short(instance), { class: "instance-id", title: instance })] : []),
    ),
    ...proofs(change, cause).map(([name, text]) => h("p", { class: "history-proof" }, h("span", { class: "label" }, name), " ", foreign(text))),
  );
}

function proofs({ evidence }, cause) {
  // Of an action, and of a probe, it adds nothing to the cause.
  const rule = evidence.by || evidence.rule.toLowerCase() === cause.toLowerCase() ? "" : evidence.rule;
  const calls = evidence.calls ? `${evidence.failed} of ${evidence.calls} calls failed${evidence.slow ? `, ${evidence.slow} slow` : ""}${evidence.window ? ` (${evidence.window})` : ""}` : "";
  return [
    ["Rule", rule],
    ["Calls", calls],
    ["Last error", evidence.error],
    ["By", evidence.by],
    ["Reason", evidence.reason],
  ].filter(([, text]) => text);
}
