// Why a circuit changed, in words.

const CAUSES = {
  failures: "Too many failures",
  slow_calls: "Too many slow calls",
  probe_failed: "A probe failed",
  probes_succeeded: "Probes succeeded",
  timeout: "The recovery timeout elapsed",
  half_open_expired: "The recovery took too long",
  reset: "Reset",
  override: "Override set",
  override_ended: "Override ended",
  fleet: "Received from another instance",
};

const OVERRIDES = { forced_open: "Forced open", disabled: "Disabled", shadow: "Shadow mode", enforced: "Enforced" };

/** A kind of override by its name, where it is one; else the text itself. */
export function overrideInWords(kind) {
  return Object.hasOwn(OVERRIDES, kind) ? OVERRIDES[kind] : kind;
}

/** A cause by its name, where it is one; else the text itself. */
export function causeInWords(text) {
  return Object.hasOwn(CAUSES, text) ? CAUSES[text] : text;
}

/** What brought a change about; one received from the fleet has the cause in its evidence. */
export function causeOf({ cause, evidence }) {
  const actual = cause === "fleet" && evidence.cause ? evidence.cause : cause;
  if (actual === "override" && Object.hasOwn(OVERRIDES, evidence.rule)) return OVERRIDES[evidence.rule];
  return causeInWords(actual);
}
