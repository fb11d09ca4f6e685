import { button, element } from "../shared/dom.js";
import { gettext } from "../shared/text.js";
import { byline } from "./byline.js";

/** What the company says first, and the questions it suggests. Choosing one fires "choose" with the question. */
export class KefuGreeting extends HTMLElement {
  set policy({ bot_name: name, greeting, suggestions }) {
    const chips = (suggestions ?? []).map((question) => this.#chip(question));
    this.replaceChildren(
      element("header", {}, ...byline(name ?? "", true)),
      element("div", { class: "bubble" }, greeting || gettext("Hello! How can we help?")),
      element("div", { class: "chips", role: "group", "aria-label": gettext("Suggested questions") }, ...chips),
    );
  }

  #chip(question) {
    const choose = () => this.dispatchEvent(new CustomEvent("choose", { detail: question, bubbles: true }));
    return button("chip", choose, {}, question);
  }
}

customElements.define("kefu-greeting", KefuGreeting);
