// Times that are shown as lengths and, for whoever asks, in full.

import { now } from "./clock.js";
import { h, setAttribute, setText } from "./dom.js";
import { ago, isoTime, timeInFull } from "./words.js";

export class Time {
  #at = undefined;

  constructor(attributes = {}) {
    this.element = h("time", attributes);
  }

  show(at) {
    if (at !== this.#at) {
      this.#at = at;
      setAttribute(this.element, "datetime", at === null ? null : isoTime(at));
      setAttribute(this.element, "title", at === null ? null : timeInFull(at));
    }
    this.tick();
  }

  tick() {
    setText(this.element, this.#at === null ? "–" : ago(now() - this.#at));
  }
}
