// The server's time, as the events report it: what the page shows must not depend on this machine's
// clock. It stands still while the connection is lost, as do the data.

let offset = null;
let frozenAt = null;

const own = () => Date.now() / 1000;

/** Read the server's time from an event. The event that was on its way shortest says it best. */
export function hear(at, isNew) {
  const heard = at - own();
  offset = isNew || offset === null ? heard : Math.max(offset, heard);
}

/** The server's epoch seconds. */
export function now() {
  return frozenAt ?? own() + (offset ?? 0);
}

export function freeze() {
  frozenAt ??= now();
}

export function thaw() {
  frozenAt = null;
}
