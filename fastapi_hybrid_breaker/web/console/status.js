// What a circuit is called, here and in the whole fleet, and how bad that is.

/** By how much attention they need: the first is worst. */
export const STATUSES = {
  forced: { word: "Forced open", icon: "forced", rank: 0, tone: "open" },
  open: { word: "Open", icon: "open", rank: 0, tone: "open" },
  elsewhere: { word: "Open elsewhere", icon: "elsewhere", rank: 1, tone: "open" },
  half: { word: "Half-open", icon: "half", rank: 2, tone: "half" },
  ready: { word: "Ready to probe", icon: "ready", rank: 5, tone: "ready" },
  disabled: { word: "Disabled", icon: "disabled", rank: 3, tone: "hand" },
  shadow: { word: "Shadow: open", icon: "shadow", rank: 4, tone: "shadow" },
  closed: { word: "Closed", icon: "closed", rank: 6, tone: "closed" },
};

/** Return the name in STATUSES; `others` are what the other instances say, see `Fleet`. */
export function statusOf(row, others) {
  const isSaid = (state) => others.some((one) => one.counts && one.state === state && !one.ready_to_probe);
  // Where it is ready to probe here, others can have reported it open before that was so.
  const isRejecting = others.some((one) => one.counts && one.state === "OPEN" && one.rejecting > 0);
  if (row.override?.kind === "forced_open") return "forced";
  if (row.override?.kind === "disabled") return "disabled";
  if (row.mode === "shadow" && row.state !== "CLOSED") return row.ready_to_probe ? "ready" : "shadow";
  if (row.state === "OPEN" && !row.ready_to_probe) return "open";
  if (row.mode !== "shadow" && (row.ready_to_probe ? isRejecting : isSaid("OPEN"))) return "elsewhere";
  if (isSaid("HALF_OPEN") || (row.state === "HALF_OPEN" && !row.ready_to_probe)) return "half";
  if (row.ready_to_probe || others.some((one) => one.counts && one.ready_to_probe)) return "ready";
  return "closed";
}

const TONES = { OPEN: "open", HALF_OPEN: "half", CLOSED: "closed" };
const NAMES = { OPEN: "Open", HALF_OPEN: "Half-open", CLOSED: "Closed" };

/** A state alone, as instances and changes name it. */
export function describeState(state, isReadyToProbe = false) {
  if (isReadyToProbe) return STATUSES.ready;
  return { word: NAMES[state] ?? "Not known", icon: TONES[state] ?? "elsewhere", tone: TONES[state] ?? "none" };
}
