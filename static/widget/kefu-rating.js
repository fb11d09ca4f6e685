import { button, element, lineField } from "../shared/dom.js";
import { fill } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";

/** After the end: how was it, in stars and words; and the door to a new conversation ("start-over"). */
export class KefuRating extends HTMLElement {
  #visit;
  #score = 0;

  set visit(visit) {
    this.#visit = visit;
    visit.addEventListener("conversation", () => this.#show());
  }

  #show() {
    const { conversation, store } = this.#visit;
    this.hidden = conversation.state !== "closed";
    if (this.hidden || this.dataset.conversation === store.id) return;
    this.dataset.conversation = store.id;
    this.#score = 0;
    const startOver = () => this.dispatchEvent(new CustomEvent("start-over", { bubbles: true }));
    this.replaceChildren(this.#form(), button("primary", startOver, {}, gettext("Start a new conversation")));
  }

  #form() {
    const stars = [1, 2, 3, 4, 5].map((score) => this.#star(score));
    const question = element("legend", {}, gettext("How was this conversation?"));
    const comment = lineField(gettext("Anything to add?"), gettext("Anything to add? (optional)"), { hidden: true });
    const send = button("plain", null, { type: "submit", hidden: true }, gettext("Send"));
    const form = element("form", {}, element("fieldset", { class: "stars" }, question, ...stars), comment, send);
    form.onchange = () => (comment.hidden = send.hidden = !this.#score);
    form.onsubmit = (event) => this.#submit(event, comment.value.trim());
    return form;
  }

  #star(score) {
    const onchange = () => (this.#score = score);
    const title = fill(gettext("%(n)s of 5"), { n: score });
    const radio = element("input", { type: "radio", name: "score", value: score, "aria-label": title, onchange });
    return element("label", { title }, radio, icon("star"));
  }

  async #submit(event, comment) {
    event.preventDefault();
    const form = event.target;
    try {
      await this.#visit.rate(this.#score, comment);
      form.replaceChildren(element("p", { role: "status" }, gettext("Thank you for your rating.")));
    } catch (error) {
      this.dispatchEvent(new CustomEvent("trouble", { detail: error, bubbles: true }));
    }
  }
}

customElements.define("kefu-rating", KefuRating);
