// A state as a shape and a word, so that nothing hangs on colour.

import { h, icon, setAttribute, setText } from "./dom.js";

export class Badge {
  #use;
  #word = h("span");

  constructor(attributes = {}) {
    const sign = icon("closed");
    this.#use = sign.firstChild;
    this.element = h("span", { class: "badge", ...attributes }, sign, this.#word);
  }

  show({ word, icon: name, tone }) {
    setText(this.#word, word);
    setAttribute(this.#use, "href", `#i-${name}`);
    setAttribute(this.element, "data-tone", tone);
  }
}

export function badge(status, attributes) {
  const made = new Badge(attributes);
  made.show(status);
  return made.element;
}
