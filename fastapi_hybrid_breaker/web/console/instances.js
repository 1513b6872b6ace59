// The processes of the fleet, and how the answering one stands to them.

import { now } from "./clock.js";
import { byId, foreign, h, icon, setAttribute, setText } from "./dom.js";
import { Time } from "./times.js";
import { ago, count, perSecond, sentence, timeOfDay } from "./words.js";

const SYNC = {
  connected: { word: "Connected", icon: "closed", tone: "closed" },
  isolated: { word: "Cut off", icon: "open", tone: "open" },
  disabled: { word: "No fleet", icon: "disabled", tone: "none" },
};

export function syncSign(state) {
  const { word, icon: name, tone } = SYNC[state] ?? { word: state, icon: "elsewhere", tone: "none" };
  return h("span", { class: "sync", "data-tone": tone }, icon(name), word);
}

/** The short name of an instance, which is its host where hosts differ. */
export function nameOf(instance) {
  return h("span", { class: "instance-name" }, foreign(instance.host || "unknown host"), " ", foreign(short(instance.id), { class: "instance-id", title: instance.id }));
}

export function short(id) {
  return id.length > 12 ? `${id.slice(0, 8)}…` : id;
}

export class Instances {
  #model;
  #times = [];
  #own = null; // where it is said how the answering one is
  #panel = byId("instances");

  constructor(model) {
    this.#model = model;
    const narrow = matchMedia("(max-width: 1379px)");
    const arrange = () => (this.#panel.open = !narrow.matches);
    narrow.addEventListener("change", arrange);
    arrange();
  }

  draw() {
    const { sync, fleet } = this.#model;
    if (!sync) return;
    const lost = fleet.instances.filter((one) => one.sync !== "connected").length;
    setAttribute(this.#panel, "data-tone", sync.state === "isolated" || lost ? "open" : null);
    setText(byId("instances-count"), titleOf(sync, fleet, lost));
    setText(byId("sync-text"), describe(sync));
    const own = fleet.instances.find((one) => one.id === fleet.own);
    byId("answering").replaceChildren(...(own ? ["answered by ", nameOf(own)] : []));
    this.#times = [];
    this.#own = null;
    byId("instance-list").replaceChildren(...fleet.instances.map((one) => this.#item(one)));
  }

  /** What the answering one reports of itself, which is not as old as its last heartbeat. */
  drawOwn() {
    if (this.#own) setText(this.#own, troublesHere(this.#model.circuits.values()));
  }

  tick() {
    for (const time of this.#times) time.tick();
    this.drawOwn();
  }

  #item(instance) {
    const up = [`up ${ago(now() - instance.started).replace(" ago", "")} · `, foreign(instance.library)];
    if (instance.id === this.#model.fleet.own) {
      this.#own = h("span");
      this.drawOwn();
      return h(
        "li",
        { class: "instance" },
        h("div", { class: "instance-head" }, nameOf(instance), syncSign(this.#model.sync.state)),
        h("p", { class: "instance-facts" }, h("span", { class: "tag" }, "answers this page"), " ", this.#own),
        h("p", { class: "instance-facts" }, ...up),
      );
    }
    const reported = new Time();
    reported.show(instance.last_seen);
    this.#times.push(reported);
    return h(
      "li",
      { class: "instance" },
      h("div", { class: "instance-head" }, nameOf(instance), syncSign(instance.sync)),
      h("p", { class: "instance-facts" }, troubles(instance), ", as reported ", reported.element),
      h("p", { class: "instance-facts" }, ...up),
    );
  }
}

/** Of the answering process, in the words of `troubles`. */
function troublesHere(circuits) {
  const known = [...circuits].filter((one) => one.isKnownHere);
  return inWords(
    known.filter(({ row }) => row.state !== "CLOSED" && !row.ready_to_probe && row.mode !== "shadow").length,
    known.reduce((sum, { rejections }) => sum + rejections.own, 0),
  );
}

function troubles({ circuits, more }) {
  if (circuits === null) return "does not report its circuits";
  const reports = Object.values(circuits);
  return inWords(
    reports.filter((one) => one.state !== "CLOSED" && !one.ready_to_probe && one.shadowed === null).length + more,
    reports.reduce((sum, one) => sum + one.rejecting, 0),
  );
}

function inWords(unwell, rate) {
  const parts = [unwell ? `${count(unwell, "circuit")} not closed` : "", rate > 0 ? `rejects ${perSecond(rate)}/s` : ""];
  return parts.filter(Boolean).join(", ") || "all circuits closed";
}

function titleOf(sync, fleet, lost) {
  if (sync.state === "disabled") return "this process only";
  if (!fleet.instances.length) return "none known";
  return count(fleet.instances.length, "instance") + (lost ? `, ${lost} cut off` : "");
}

function describe({ state, since, error }) {
  if (state === "disabled" && error) return sentence(error);
  if (state === "disabled") return "There is no Redis: circuits are of this process alone.";
  if (state === "isolated") return `Not shared since ${timeOfDay(since)}. Each instance decides for itself.`;
  return `Sharing over Redis since ${timeOfDay(since)}.`;
}
