// Drawing at most once per frame, and only what differs.

export class Batch {
  #draw;
  #keys = new Set();
  #all = false;
  #isAsked = false;

  constructor(draw) {
    this.#draw = draw;
  }

  /** Draw the circuits of these keys again (null: all) in the next frame. */
  add(keys) {
    if (keys === null) this.#all = true;
    else for (const key of keys) this.#keys.add(key);
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame(() => {
      const [all, drawn] = [this.#all, this.#keys];
      this.#all = this.#isAsked = false;
      this.#keys = new Set();
      this.#draw(all ? null : drawn);
    });
  }
}
