import { button, element, iconButton, lineField } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";

/** Thumbs for one answer; a thumb down asks why, and offers the way to a person. */
export class KefuFeedback extends HTMLElement {
  #visit;
  #seq;
  #up;
  #down;
  #why = null;

  constructor(visit, seq) {
    super();
    this.#visit = visit;
    this.#seq = seq;
    this.#up = this.#thumb("up", 1, gettext("Helpful"));
    this.#down = this.#thumb("down", -1, gettext("Not helpful"));
  }

  connectedCallback() {
    if (!this.childElementCount) this.append(this.#up, this.#down);
  }

  #thumb(name, score, label) {
    const thumb = iconButton("quiet", () => this.#judge(score), label, icon(name));
    thumb.setAttribute("aria-pressed", "false");
    return thumb;
  }

  async #judge(score) {
    this.#press(score);
    this.#why?.remove();
    if (score < 0) this.#askWhy();
    await this.#visit.judge(this.#seq, score).catch(() => this.#press(0));
  }

  #askWhy() {
    this.#why = this.#form();
    this.append(this.#why);
    this.#why.scrollIntoView({ block: "nearest" });
  }

  #press(score) {
    this.#up.setAttribute("aria-pressed", score > 0);
    this.#down.setAttribute("aria-pressed", score < 0);
  }

  #form() {
    const comment = lineField(gettext("What was wrong?"), gettext("What was wrong? (optional)"));
    const person = button("plain", () => this.#askAgent(), {}, gettext("Talk to a person"));
    const onsubmit = (event) => this.#explain(event, comment.value.trim());
    const send = button("plain", null, { type: "submit" }, gettext("Send"));
    return element("form", { class: "why", onsubmit }, comment, element("div", {}, send, person));
  }

  async #explain(event, comment) {
    event.preventDefault();
    if (comment) await this.#visit.judge(this.#seq, -1, comment).catch(() => {});
    this.#why.replaceChildren(element("p", { role: "status" }, gettext("Thank you. We will look at this answer.")));
  }

  #askAgent() {
    this.#why.remove();
    this.dispatchEvent(new CustomEvent("ask-agent", { bubbles: true }));
  }
}

customElements.define("kefu-feedback", KefuFeedback);
