// Asking for a token when the server wants one. It is handed to api.js and kept nowhere else.

import { hasToken, setToken } from "./api.js";
import { openDialog, showFault } from "./dialog.js";
import { byId, setHidden, setText } from "./dom.js";

export class TokenDialog {
  #dialog = byId("token");
  #input = byId("token-input");
  #onToken;

  constructor(onToken) {
    this.#onToken = onToken;
    byId("token-form").addEventListener("submit", (event) => {
      event.preventDefault();
      setToken(this.#input.value.trim());
      this.#dialog.close("given");
      setHidden(byId("forget"), false);
      this.#onToken();
    });
    byId("token-cancel").addEventListener("click", () => this.#dialog.close());
    this.#dialog.addEventListener("close", () => (this.#input.value = ""));
    byId("forget").addEventListener("click", () => {
      setToken(null);
      setHidden(byId("forget"), true);
      this.#onToken();
    });
  }

  /** Ask, because of a refusal. */
  ask(refusal) {
    setText(byId("token-said"), refusal.message);
    showFault(byId("token-fault"), hasToken() ? "That token was not accepted." : "");
    openDialog(this.#dialog);
    this.#input.focus();
  }
}
