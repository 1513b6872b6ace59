// What one can do to a circuit: its words, what it asks for (a grave act needs all of it), and how
// it is sent.

import { acts } from "./api.js";

export const ACTS = {
  reset: {
    title: "Reset this circuit?",
    effect: "It closes in the whole fleet, and its counts start anew. Calls go through at once; if the trouble is still there, it opens again.",
    confirm: "Reset",
    asks: ["reason", "name"],
    send: (key, { reason, by }) => acts.reset(key, { reason, by }),
  },
  forced_open: {
    title: "Force this circuit open?",
    effect: "Every call is rejected in the whole fleet, without a probe, until the time is up or somebody clears it.",
    confirm: "Force open",
    asks: ["reason", "time", "name"],
    isGrave: true,
    send: (key, { reason, seconds, by }) => acts.override(key, order("forced_open", reason, seconds, by)),
  },
  disabled: {
    title: "Disable this circuit?",
    effect: "Every call goes through in the whole fleet and nothing is counted: callers are no longer protected.",
    confirm: "Disable",
    asks: ["reason", "time", "name"],
    isGrave: true,
    send: (key, { reason, seconds, by }) => acts.override(key, order("disabled", reason, seconds, by)),
  },
  shadow: {
    title: "Put this circuit into shadow mode?",
    effect: "It goes on deciding and recording on every instance, and rejects nothing: callers are not protected. You see what it would have rejected, and how many of those calls failed.",
    confirm: "Shadow mode",
    asks: ["reason", "time", "name"],
    isGrave: true,
    send: (key, { reason, seconds, by }) => acts.override(key, order("shadow", reason, seconds, by)),
  },
  enforced: {
    title: "Enforce this circuit?",
    effect: "Whenever it is open it rejects calls on every instance, although it is configured for shadow mode. If it is open now, it rejects at once.",
    confirm: "Enforce",
    asks: ["reason", "time", "name"],
    isGrave: true,
    send: (key, { reason, seconds, by }) => acts.override(key, order("enforced", reason, seconds, by)),
  },
  clear: {
    title: "Clear this override?",
    effect: "The circuit decides by itself again, in the whole fleet.",
    confirm: "Clear the override",
    asks: ["reason", "name"],
    send: (key, { reason, by }) => acts.clear(key, { reason, by }),
  },
};

function order(kind, reason, seconds, by) {
  return { kind, reason, seconds, ...(by ? { by } : {}) };
}

/** How long an override can last, in seconds; null: until it is cleared. */
export const TIMES = [
  ["5 minutes", 300],
  ["15 minutes", 900],
  ["30 minutes", 1800],
  ["1 hour", 3600],
  ["4 hours", 14400],
  ["1 day", 86400],
  ["until it is cleared", null],
];

export const USUAL_TIME = 1800;

/** How far an act came, as the server's answer says, or later answers of what was queued. */
export const REACHES = {
  fleet: { said: "Stored for the whole fleet.", tone: "closed" },
  queued: { said: "Queued: Redis does not answer. It holds in this process, and is sent to the others when Redis is back.", tone: "half" },
  taken: { said: "It was queued, and the fleet has taken it now.", tone: "closed" },
  refused: { said: "Redis answers, and has not taken it so far: something else may stand where the circuit is kept.", tone: "half" },
  unknown: { said: "It was queued by a process that has not answered since: whether the fleet has taken it is not known.", tone: "half" },
  local: { said: "This process only: there is no fleet.", tone: "closed" },
};
