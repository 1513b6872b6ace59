// What the page says of its own connection, and of the fleet's. Data that may be old is greyed.

import * as clock from "./clock.js";
import { byId, setAttribute, setHidden, setText } from "./dom.js";
import { sentence, timeOfDay } from "./words.js";

const SIGNS = {
  connecting: { word: "Connecting", icon: "half", tone: "half" },
  live: { word: "Live", icon: "closed", tone: "closed" },
  lost: { word: "Not live", icon: "open", tone: "open" },
  refused: { word: "Not signed in", icon: "forced", tone: "open" },
};

export class Banner {
  #stream;
  #model;
  #lostAt = null;

  constructor(stream, model, signIn) {
    this.#stream = stream;
    this.#model = model;
    byId("banner-act").addEventListener("click", () => {
      if (stream.state === "refused" && stream.refusal.status === 401) signIn(stream.refusal);
      else stream.open();
    });
  }

  draw() {
    const { state } = this.#stream;
    if (state === "live") {
      this.#lostAt = null;
      clock.thaw();
    } else if (this.#lostAt === null && this.#model.hasData) {
      clock.freeze();
      this.#lostAt = clock.now();
    }
    const { word, icon, tone } = SIGNS[state];
    setText(byId("live-word"), word);
    setAttribute(byId("live-sign"), "href", `#i-${icon}`);
    setAttribute(byId("live"), "data-tone", tone);
    setAttribute(document.body, "data-connection", state);
    setAttribute(byId("data"), "aria-busy", state === "live" ? null : "true");
    const isQuiet = state === "live" || (state === "connecting" && !this.#model.hasData);
    setHidden(byId("banner"), isQuiet);
    if (!isQuiet) this.#say(state);
    this.tick();
    const { state: sharing, error } = this.#model.sync ?? {};
    setHidden(byId("cut-off"), sharing !== "isolated" && !error);
    setText(byId("cut-off-why"), sentence(error ?? ""));
  }

  /** Count down to the next try; not read out, unlike the rest of the banner. */
  tick() {
    const { state, retryAt } = this.#stream;
    const left = Math.ceil((retryAt - Date.now()) / 1000);
    setText(byId("banner-when"), state === "lost" ? (left > 0 ? `Trying again in ${left} s.` : "Trying…") : "");
  }

  /** What one should know before one acts on what is shown. */
  warning() {
    return this.#stream.state === "live" ? "" : `${this.#title()} The circuit may have changed since.`;
  }

  #title() {
    const { state, refusal } = this.#stream;
    if (state === "connecting") return "The connection is not there yet.";
    if (state !== "refused") return "The connection is lost.";
    return refusal.status === 401 ? "You are not signed in." : "You may not see this.";
  }

  #say(state) {
    const { reason, refusal } = this.#stream;
    setText(byId("banner-title"), this.#title());
    const old = this.#lostAt === null ? "" : ` What you see is from ${timeOfDay(this.#lostAt)}.`;
    setText(byId("banner-text"), (state === "refused" ? sentence(refusal.message) : reason) + old);
    setText(byId("banner-act"), state === "refused" && refusal.status === 401 ? "Enter a token" : "Try now");
  }
}
