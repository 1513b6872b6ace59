// What the other instances say of the circuits, which is a few seconds old.

export class Fleet {
  instances = [];
  own = "";
  #byKey = new Map();

  replace(instances) {
    this.instances = instances;
    this.#byKey = new Map();
    for (const instance of instances) {
      if (instance.id === this.own) continue;
      for (const [key, said] of Object.entries(instance.circuits ?? {})) {
        if (!this.#byKey.has(key)) this.#byKey.set(key, []);
        this.#byKey.get(key).push({ instance, ...said });
      }
    }
  }

  /** The keys that others speak of. */
  keys() {
    return this.#byKey.keys();
  }

  /**
   * What the others say of a circuit that do not report it as healthy. `counts` is false for what is out
   * of date, said before its last change here or by an instance that is cut off; and for what is in
   * shadow mode, which rejects nothing.
   */
  of(row) {
    return (this.#byKey.get(row.key) ?? []).map((said) => ({
      ...said,
      counts: said.instance.sync === "connected" && said.instance.last_seen >= (row.since ?? 0) && (said.shadowed ?? null) === null,
    }));
  }

  get others() {
    return this.instances.filter((one) => one.id !== this.own);
  }
}
