// The list of circuits. It has rows for the first of them only, and more as one comes to its end:
// the worst stand first, and who looks for another one searches.

import { now } from "./clock.js";
import { byId, setHidden, setText } from "./dom.js";
import { choose } from "./order.js";
import { Row } from "./row.js";
import { count } from "./words.js";

const STEP = 60;

export class List {
  filter = "all";
  search = "";
  #model;
  #rows = new Map();
  #limit = STEP;
  #list = byId("circuits");
  #more = byId("more");
  #end = byId("list-end");
  #count = byId("shown");

  constructor(model) {
    this.#model = model;
    this.#more.addEventListener("click", () => this.#showMore());
    const atEnd = new IntersectionObserver(
      (seen) => seen.some((one) => one.isIntersecting) && this.#showMore(),
      { rootMargin: "400px" },
    );
    atEnd.observe(this.#end);
  }

  /** Choose other circuits. */
  choose({ filter = this.filter, search = this.search }) {
    this.filter = filter;
    this.search = search;
    this.#limit = STEP;
    this.draw(null);
  }

  /** Draw the circuits that differ; null: all. Where a row stands can depend on any of them. */
  draw(keys) {
    const chosen = choose(this.#model.circuits.values(), this.filter, this.search);
    const shown = chosen.slice(0, this.#limit);
    const at = now();
    const elements = shown.map((circuit) => {
      let row = this.#rows.get(circuit.key);
      const isNew = row === undefined;
      if (isNew) this.#rows.set(circuit.key, (row = new Row(circuit.key)));
      if (isNew || keys === null || keys.has(circuit.key)) row.show(circuit, this.#model.fleet, at);
      return row.element;
    });
    const kept = new Set(shown.map((circuit) => circuit.key));
    for (const [key, row] of this.#rows) {
      if (kept.has(key)) continue;
      row.element.remove();
      this.#rows.delete(key);
    }
    arrange(this.#list, elements);
    this.#announce(chosen.length, shown.length);
  }

  tick() {
    const at = now();
    for (const row of this.#rows.values()) row.tick(at);
  }

  /** Put the keyboard on the row of a circuit, where there is one. */
  focus(key) {
    this.#rows.get(key)?.link.focus({ preventScroll: true });
  }

  #showMore() {
    if (this.#rows.size < this.#limit) return; // all are there
    this.#limit += STEP;
    this.draw(new Set());
  }

  #announce(chosen, shown) {
    const total = this.#model.circuits.size;
    setHidden(this.#end, shown === chosen);
    setText(this.#count, chosen === total ? count(total, "circuit") : `${chosen.toLocaleString()} of ${count(total, "circuit")}`);
    setHidden(byId("none"), chosen > 0 || !this.#model.hasData);
    setText(byId("none-text"), total ? "No circuit fits." : "This process knows no circuits yet. One appears with its first call.");
    setHidden(byId("none-clear"), total === 0);
  }
}

/** Put into the list these children in this order, with few moves, and keep the keyboard's place. */
function arrange(list, elements) {
  const focused = document.activeElement;
  let place = list.firstElementChild;
  for (const element of elements) {
    if (element === place) {
      place = place.nextElementSibling;
    } else if (place !== null && place.nextElementSibling === element) {
      list.append(place); // one that has sunk: it finds its place further down
      place = element.nextElementSibling;
    } else {
      list.insertBefore(element, place);
    }
  }
  if (focused !== document.activeElement && list.contains(focused)) focused.focus({ preventScroll: true });
}
