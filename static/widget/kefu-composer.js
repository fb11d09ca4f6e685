import { element, iconButton } from "../shared/dom.js";
import { fill } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";

const COUNTED_FROM = 0.9; // the counter appears when this share of the limit is used
const KEY_OF_AN_INPUT_METHOD = 229;

/** Where the visitor writes. Enter sends, Shift+Enter breaks the line; an input method's Enter only chooses a word. */
export class KefuComposer extends HTMLElement {
  #limit = 4000;
  #isEager = false;
  #visit;
  #count = element("span", { class: "count", id: "count", role: "status", hidden: true });
  #field = element("textarea", {
    rows: 1,
    placeholder: gettext("Write a message…"),
    "aria-label": gettext("Your message"),
    "aria-describedby": "count",
    enterKeyHint: "send",
    oninput: () => this.#changed(),
    onkeydown: (event) => this.#pressed(event),
  });
  #send = iconButton("send", null, gettext("Send"), icon("send"));

  connectedCallback() {
    if (this.childElementCount) return;
    const onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    Object.assign(this.#send, { type: "submit", disabled: true });
    this.append(element("form", { onsubmit }, this.#field, this.#send), this.#count);
  }

  set visit(visit) {
    this.#visit = visit;
    visit.addEventListener("ready", () => {
      this.#limit = visit.policy.max_text ?? this.#limit;
      this.#changed();
      if (this.#isEager) this.#submit();
    });
  }

  focus() {
    this.#field.focus({ preventScroll: true });
  }

  #pressed(event) {
    const isComposing = event.isComposing || event.keyCode === KEY_OF_AN_INPUT_METHOD;
    if (event.key !== "Enter" || event.shiftKey || isComposing) return;
    event.preventDefault();
    this.#submit();
  }

  #changed() {
    const length = [...this.#field.value.trim()].length; // code points, as the server counts
    const left = this.#limit - length;
    this.#count.hidden = length < this.#limit * COUNTED_FROM;
    this.#count.textContent = fill(gettext("%(n)s of %(limit)s characters"), { n: length, limit: this.#limit });
    this.#count.toggleAttribute("data-over", left < 0);
    this.#send.disabled = !length || left < 0 || !this.#visit?.store;
    this.#grow();
    if (length) this.#visit?.typing();
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight + 2}px`;
  }

  #submit() {
    this.#isEager = !this.#visit?.store; // sent as soon as the session stands
    if (this.#send.disabled) return;
    this.#visit.say(this.#field.value.trim());
    this.#field.value = "";
    this.#changed();
    this.focus();
  }
}

customElements.define("kefu-composer", KefuComposer);
