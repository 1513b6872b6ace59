// What a status means for calls, and what one can do: for whoever was woken by it.

export function adviceFor(circuit) {
  const { row, status } = circuit;
  return {
    forced: "An operator keeps it open: every call is rejected, in the whole fleet. Clear the override to let it decide by itself again.",
    disabled: "An operator has switched it off: every call goes through and nothing is counted. Clear the override to protect the callers again.",
    open: row.alone
      ? "This process rejects every call; the other instances decide for themselves. When the time is up, some calls probe whether it has recovered."
      : "Calls are rejected without being made. When the time is up, some calls probe whether it has recovered. If you know that it has, reset it; if you want no probes, force it open.",
    elsewhere: "This process admits calls, and other instances reject them. Look below at which.",
    ready: "Its recovery timeout has elapsed and nobody calls it, so nobody is rejected. The next call is let through to see whether it has recovered.",
    half: "Some calls are let through to see whether it has recovered. It closes when enough of them succeed, and opens again when one fails.",
    shadow: "It is in shadow mode and rejects nothing. Below you see which calls it would have rejected, and how many of them failed.",
    closed: row.mode === "shadow" ? "Calls go through. It is in shadow mode: it would go on admitting them if it opened." : "Calls go through.",
  }[status];
}
