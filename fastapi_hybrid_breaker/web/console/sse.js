// Reading server-sent events from the body of an answer. `EventSource` would do it by itself, but
// cannot send a token, nor notice that the server has sent nothing for a while.

/** Reads text as it comes, and returns the events that it completes. */
export class EventParser {
  #rest = []; // of a line that is not complete: a snapshot is one long line, in many pieces
  #event = "";
  #data = [];
  lastId = null;

  *feed(text) {
    const [first, ...others] = text.split("\n");
    this.#rest.push(first);
    for (const next of others) {
      const line = this.#rest.join("");
      this.#rest = [next];
      const event = this.#take(line.endsWith("\r") ? line.slice(0, -1) : line);
      if (event) yield event;
    }
  }

  #take(line) {
    if (line === "") return this.#end();
    const colon = line.indexOf(":");
    if (colon === 0) return null; // a comment: the server lives
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "event") this.#event = value;
    else if (field === "data") this.#data.push(value);
    else if (field === "id") this.lastId = value;
    return null;
  }

  #end() {
    const event = this.#data.length ? { type: this.#event || "message", data: this.#data.join("\n") } : null;
    this.#event = "";
    this.#data = [];
    return event;
  }
}
