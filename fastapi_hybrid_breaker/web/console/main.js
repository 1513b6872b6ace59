// The page: the events go into the model, the model into the views.

import { ActDialog } from "./act_dialog.js";
import { Announcer } from "./announcer.js";
import { Banner } from "./banner.js";
import { Batch } from "./batch.js";
import { Detail } from "./detail.js";
import { byId, setHidden } from "./dom.js";
import { Instances } from "./instances.js";
import { List } from "./list.js";
import { Model } from "./model.js";
import { Outcome, stays } from "./outcome.js";
import { currentKey } from "./route.js";
import { Stream } from "./stream.js";
import { Summary } from "./summary.js";
import { TokenDialog } from "./token_dialog.js";

const model = new Model();
const stream = new Stream();
const token = new TokenDialog(() => stream.open()); // the rest follows when it is live
const signIn = (refusal) => token.ask(refusal);
const list = new List(model);
const summary = new Summary(model, choose);
const instances = new Instances(model);
// Whoever has been asked, and gave no token, is not asked again by what the page does by itself.
const detail = new Detail(model, (refusal) => stream.state !== "refused" && signIn(refusal));
const outcome = new Outcome(model, stream);
const banner = new Banner(stream, model, signIn);
const dialog = new ActDialog({
  onSend: (name, key) => outcome.sent(name, key),
  onDone: (name, key, howFar) => {
    outcome.answered(name, key, howFar);
    detail.ask();
  },
  onRefused: signIn,
});
new Announcer(model);

const batch = new Batch((keys) => {
  setHidden(byId("loading"), model.hasData);
  banner.draw();
  summary.draw(list.filter);
  if (detail.key === null) list.draw(keys);
  else if (keys === null || keys.has(detail.key)) detail.draw();
  if (keys === null) instances.draw();
  else instances.drawOwn();
  outcome.draw();
});

function choose(filter) {
  list.choose({ filter: filter === list.filter ? "all" : filter });
  summary.draw(list.filter);
}

// -- from the server ----------------------------------------------------------------------------

stream.addEventListener("event", ({ detail: { type, data } }) => model.apply(type, data));
stream.addEventListener("state", () => {
  banner.draw();
  outcome.draw();
  if (stream.state === "refused" && stream.refusal.status === 401) signIn(stream.refusal);
  if (stream.state === "live") detail.ask();
});
model.addEventListener("changed", ({ detail: keys }) => batch.add(keys));
model.addEventListener("circuit", ({ detail: { circuit } }) => {
  if (circuit.key === detail.key) detail.askSoon();
});

setInterval(() => {
  if (stream.state === "live") model.tick();
  if (document.hidden) return;
  banner.tick();
  if (detail.key === null) list.tick();
  else detail.tick();
  instances.tick();
  outcome.draw();
}, 1000);

// -- from the person ----------------------------------------------------------------------------

let listScroll = 0;

function route() {
  const key = currentKey();
  const left = detail.key;
  if (key === left) return;
  if (left === null) listScroll = scrollY;
  detail.close();
  outcome.dismiss();
  setHidden(byId("overview"), key !== null);
  setHidden(byId("circuit"), key === null);
  if (key === null) {
    list.draw(null);
    scrollTo(0, listScroll);
    if (left !== null) list.focus(left);
  } else {
    detail.open(key);
    scrollTo(0, 0);
    byId("circuit-key").focus({ preventScroll: true });
  }
}

addEventListener("hashchange", route);

const search = byId("search");
search.addEventListener("input", () => list.choose({ search: search.value }));
byId("none-clear").addEventListener("click", () => {
  search.value = "";
  list.choose({ filter: "all", search: "" });
  summary.draw(list.filter);
  search.focus();
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
  const isTyping = event.target.matches?.("input, select, textarea");
  if (event.key === "/" && !isTyping) {
    event.preventDefault();
    if (detail.key !== null) location.hash = "";
    route();
    search.focus();
    search.select();
  } else if (event.key === "Escape") {
    if (event.target === search && search.value) {
      search.value = "";
      list.choose({ search: "" });
    } else if (detail.key !== null && !isTyping) location.hash = "";
  }
});

for (const button of document.querySelectorAll("[data-act]")) {
  button.addEventListener("click", () => {
    const { act } = button.dataset;
    const { override } = detail.circuit.row;
    const left = act === "reset" && override ? stays(override) : "";
    dialog.open(act, detail.key, [banner.warning(), left].filter(Boolean).join(" "), detail.caller);
  });
}

route();
stream.open();
