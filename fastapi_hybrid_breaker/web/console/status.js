// What a circuit is called, here and in the whole fleet, and how bad that is.

/** By how much attention they need: the first is worst. */
export const STATUSES = {
  forced: { word: "Forced open", icon: "forced", rank: 0, tone: "open" },
  open: { word: "Open", icon: "open", rank: 0, tone: "open" },
  elsewhere: { word: "Open elsewhere", icon: "elsewhere", rank: 1, tone: "open" },
  half: { word: "Half-open", icon: "half", rank: 2, tone: "half" },
  disabled: { word: "Disabled", icon: "disabled", rank: 3, tone: "hand" },
  shadow: { word: "Shadow: open", icon: "shadow", rank: 4, tone: "shadow" },
  closed: { word: "Closed", icon: "closed", rank: 5, tone: "closed" },
};

/** Give the name in STATUSES; `others` are what the other instances say, see `Fleet`. */
export function statusOf(row, others) {
  if (row.override) return row.override.kind === "forced_open" ? "forced" : "disabled";
  if (row.mode === "shadow" && row.state !== "CLOSED") return "shadow";
  if (row.state === "OPEN") return "open";
  if (row.mode !== "shadow" && others.some((one) => one.counts && one.state === "OPEN")) return "elsewhere";
  if (row.state === "HALF_OPEN" || others.some((one) => one.counts && one.state === "HALF_OPEN")) return "half";
  return "closed";
}

const TONES = { OPEN: "open", HALF_OPEN: "half", CLOSED: "closed" };
const NAMES = { OPEN: "Open", HALF_OPEN: "Half-open", CLOSED: "Closed" };

/** A state alone, as instances and changes name it. */
export function describeState(state) {
  return { word: NAMES[state] ?? "Not known", icon: TONES[state] ?? "elsewhere", tone: TONES[state] ?? "none" };
}
