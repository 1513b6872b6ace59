// Which circuits the list shows, and in which order: the worst first.

import { STATUSES } from "./status.js";

/** What the tiles above the list choose by. */
export const FILTERS = {
  all: { word: "All", fits: () => true },
  open: { word: "Open", fits: ({ status }) => STATUSES[status].rank <= 1 },
  half: { word: "Half-open", fits: ({ status }) => status === "half" },
  overridden: { word: "Overridden", fits: ({ row }) => row.override !== null },
  shadow: { word: "Shadow", fits: ({ row }) => row.mode === "shadow" },
  ready: { word: "Ready to probe", fits: ({ status }) => status === "ready" },
  closed: { word: "Closed", fits: ({ status }) => status === "closed" },
};

export function choose(circuits, filter, search) {
  const { fits } = FILTERS[filter];
  const words = search.toLowerCase().split(/\s+/).filter(Boolean);
  const chosen = [];
  for (const circuit of circuits) {
    if (fits(circuit) && (!words.length || has(circuit, words))) chosen.push(circuit);
  }
  return chosen.map((circuit) => [weigh(circuit), circuit]).sort(compare).map(([, circuit]) => circuit);
}

function has({ row }, words) {
  const text = `${row.key} ${row.why} ${row.override?.reason ?? ""} ${row.override?.by ?? ""}`.toLowerCase();
  return words.every((word) => text.includes(word));
}

/** Lower comes first. Rates are rounded, or rows would jump about each second. */
function weigh({ row, status, rejections }) {
  let { rank } = STATUSES[status];
  if (status === "closed" && rejections.rate > 0) rank = STATUSES.shadow.rank;
  if (rank < STATUSES.closed.rank) return [rank, -(row.since ?? 0)];
  const calls = row.calls === null || row.calls > 0;
  return [rank, -Math.round((calls ? (row.failure_rate ?? 0) : 0) * 20), -row.failures];
}

function compare([a, { key: keyA }], [b, { key: keyB }]) {
  for (let index = 0; index < a.length && index < b.length; index += 1) {
    if (a[index] !== b[index]) return a[index] - b[index];
  }
  return keyA < keyB ? -1 : keyA > keyB ? 1 : 0;
}
