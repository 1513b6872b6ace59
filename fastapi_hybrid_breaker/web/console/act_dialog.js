// The dialog that names the circuit, asks what an act needs, and sends it.

import { ACTS, TIMES, USUAL_TIME } from "./acts.js";
import { Refusal } from "./api.js";
import { field, openDialog, showFault } from "./dialog.js";
import { byId, foreign, h, setAttribute, setHidden, setText } from "./dom.js";

export class ActDialog {
  #dialog = byId("act");
  #form = byId("act-form");
  #fault = byId("act-fault");
  #confirm = byId("act-confirm");
  #act = null;
  #key = "";
  #name = ""; // who acts says it once
  #onSend;
  #onDone;
  #onRefused;

  /** `onSend(name, key)` when it is sent, `onDone(name, key, how far)` when it is answered. */
  constructor({ onSend, onDone, onRefused }) {
    [this.#onSend, this.#onDone, this.#onRefused] = [onSend, onDone, onRefused];
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#send();
    });
    byId("act-cancel").addEventListener("click", () => this.#dialog.close());
  }

  /** `caller` is whether signing in names who asks: "named", "unnamed", or "": not known. */
  open(name, key, warning, caller) {
    this.#act = name;
    this.#key = key;
    const { title, effect, confirm, asks, isGrave = false } = ACTS[name];
    setText(byId("act-title"), title);
    byId("act-key").replaceChildren(foreign(key));
    setText(byId("act-effect"), effect);
    setText(byId("act-warning"), warning);
    setHidden(byId("act-warning"), warning === "");
    byId("act-fields").replaceChildren(...asks.map((what) => FIELDS[what](isGrave, caller, this.#name)).filter(Boolean));
    setText(this.#confirm, confirm);
    setAttribute(this.#confirm, "data-grave", isGrave ? "" : null);
    showFault(this.#fault, "");
    this.#busy(false);
    openDialog(this.#dialog);
    (byId("act-fields").querySelector("input, select") ?? this.#confirm).focus();
  }

  async #send() {
    const [name, key] = [this.#act, this.#key];
    const given = new FormData(this.#form);
    const seconds = given.get("time");
    const said = {
      reason: given.get("reason")?.trim() ?? "",
      by: given.get("by")?.trim() ?? "",
      seconds: seconds === "" || seconds === null ? null : Number(seconds),
    };
    this.#name = said.by || this.#name;
    showFault(this.#fault, "");
    this.#busy(true);
    this.#onSend(name, key);
    try {
      const reach = await ACTS[name].send(key, said);
      this.#dialog.close("done");
      this.#onDone(name, key, reach);
    } catch (error) {
      this.#busy(false);
      if (error instanceof Refusal && error.status === 401) return this.#onRefused(error);
      showFault(this.#fault, error.message);
      if (error instanceof Refusal && error.status === 422 && !said.by) byId("act-by")?.focus();
    }
  }

  #busy(isBusy) {
    this.#confirm.disabled = isBusy;
    setAttribute(this.#form, "aria-busy", isBusy ? "true" : null);
  }
}

const FIELDS = {
  reason: (isNeeded) =>
    field(
      isNeeded ? "Reason" : "Reason (optional)",
      h("input", { id: "act-reason", name: "reason", required: isNeeded, maxlength: "200", autocomplete: "off" }),
      "Whoever looks at the circuit later reads this.",
    ),
  time: () =>
    field(
      "For how long",
      h(
        "select",
        { id: "act-time", name: "time" },
        ...TIMES.map(([words, seconds]) => h("option", { value: seconds ?? "", selected: seconds === USUAL_TIME }, words)),
      ),
    ),
  name: (isNeeded, caller, known) => {
    if (caller === "named") return null; // the name of the login counts
    const isRequired = isNeeded && caller === "unnamed";
    return field(
      isRequired ? "Your name" : "Your name (optional)",
      h("input", { id: "act-by", name: "by", required: isRequired, maxlength: "200", autocomplete: "off", value: known || null }),
      caller === "unnamed" ? "The server does not know it. Whoever looks at the circuit later reads this." : "If your login has a name, that name is used.",
    );
  },
};
