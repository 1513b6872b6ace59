// What all dialogs share.

import { h, setText } from "./dom.js";

/** Show a dialog; gives a promise that is fulfilled when it is closed, by whatever way. */
export function openDialog(dialog) {
  if (!dialog.open) dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** A labelled field; `hint` says more about it. */
export function field(label, input, hint = "") {
  const { id } = input;
  if (hint) input.setAttribute("aria-describedby", `${id}-hint`);
  return h(
    "div",
    { class: "field" },
    h("label", { for: id }, label),
    input,
    hint ? h("p", { class: "hint", id: `${id}-hint` }, hint) : null,
  );
}

/** Show an error in a dialog, and read it out. */
export function showFault(element, text) {
  element.hidden = text === "";
  setText(element, text);
}
