import { button, element } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";

/**
 * A banner over the thread: `say("text", { kind: "warn", actions: [["Yes", act]], lasting: true })`, `clear()`.
 * A passing notice goes away by itself; one with actions stays until one is chosen.
 */
export class KefuNotice extends HTMLElement {
  #timer = null;

  connectedCallback() {
    this.setAttribute("role", "status");
    this.hidden = true;
  }

  say(text, { kind = "info", actions = [], lasting = false } = {}) {
    clearTimeout(this.#timer);
    this.dataset.kind = kind;
    const sentence = element("p", {}, kind === "offline" && icon("offline"), text);
    this.replaceChildren(sentence, ...actions.map((action) => this.#button(action)));
    this.hidden = false;
    if (!lasting && !actions.length) this.#timer = setTimeout(() => this.clear(), 6_000);
  }

  /** A blame the visitor can understand, whatever the error. */
  blame(error) {
    this.say(error.message || gettext("That did not work. Please try again."), { kind: "bad" });
  }

  clear(kind = this.dataset.kind) {
    if (this.dataset.kind !== kind) return;
    clearTimeout(this.#timer);
    this.hidden = true;
    this.replaceChildren();
  }

  #button([label, act]) {
    const choose = () => {
      this.clear();
      act();
    };
    return button("plain", choose, {}, label);
  }
}

customElements.define("kefu-notice", KefuNotice);
