import { element, iconButton } from "../shared/dom.js";
import { takeDropped, takePasted } from "../shared/file-drop.js";
import { FileTray } from "../shared/file-tray.js";
import { fill } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";
import { accepted, limitsInWords } from "../shared/uploads.js";

const COUNTED_FROM = 0.9; // the counter appears when this share of the limit is used
const KEY_OF_AN_INPUT_METHOD = 229;

/** Where the visitor writes, and adds files: chosen, pasted or dropped. Enter sends, Shift+Enter breaks the line; an input method's Enter only chooses a word. */
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
  #uploads = null;
  #tray = new FileTray();
  #picker = element("input", { type: "file", multiple: true, hidden: true, onchange: () => this.#picked() });
  #attach = iconButton("attach", () => this.#picker.click(), gettext("Add files"), icon("clip"));

  connectedCallback() {
    if (this.childElementCount) return;
    const onsubmit = (event) => {
      event.preventDefault();
      this.#submit();
    };
    Object.assign(this.#send, { type: "submit", disabled: true });
    this.#attach.hidden = true;
    const form = element("form", { onsubmit }, this.#attach, this.#picker, this.#field, this.#send);
    this.append(this.#tray, form, this.#count);
    this.#tray.addEventListener("emptied", () => this.focus());
    takePasted(this.#field, () => this.#mayTake, (files) => this.#uploads.add(files));
    takeDropped(this.parentElement, () => this.#mayTake, (files) => this.#uploads.add(files));
  }

  get #mayTake() {
    return Boolean(this.#visit?.policy?.uploads) && !this.hidden;
  }

  set visit(visit) {
    this.#visit = visit;
    visit.addEventListener("ready", () => {
      this.#limit = visit.policy.max_text ?? this.#limit;
      this.#prepareFiles();
      this.#changed();
      if (this.#isEager) this.#submit();
    });
  }

  #prepareFiles() {
    const limits = this.#visit.policy.uploads;
    this.#attach.hidden = !limits;
    this.#uploads = this.#visit.newUploads();
    this.#uploads.addEventListener("change", () => this.#showSend());
    this.#tray.uploads = this.#uploads;
    if (!limits) return;
    this.#picker.accept = accepted(limits);
    this.#attach.title = `${gettext("Add files")}\n${limitsInWords(limits)}`;
    this.parentElement.dataset.dropHint = `${gettext("Drop files here")}\n${limitsInWords(limits)}`;
  }

  #picked() {
    this.#uploads.add([...this.#picker.files]);
    this.#picker.value = ""; // or the same file could not be chosen again
    this.focus();
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
    const length = [...this.#text].length; // code points, as the server counts
    const left = this.#limit - length;
    this.#count.hidden = length < this.#limit * COUNTED_FROM;
    this.#count.textContent = fill(gettext("%(n)s of %(limit)s characters"), { n: length, limit: this.#limit });
    this.#count.toggleAttribute("data-over", left < 0);
    this.#showSend();
    this.#grow();
    if (length) this.#visit?.typing();
  }

  get #text() {
    return this.#field.value.trim();
  }

  #showSend() {
    const isTooLong = [...this.#text].length > this.#limit;
    const hasSomething = this.#text || this.#uploads?.ready.length;
    this.#send.disabled = !hasSomething || isTooLong || !this.#visit?.store || this.#uploads?.isBusy;
  }

  #grow() {
    this.#field.style.height = "auto";
    this.#field.style.height = `${this.#field.scrollHeight + 2}px`;
  }

  #submit() {
    this.#isEager = !this.#visit?.store; // sent as soon as the session stands
    if (this.#send.disabled) return;
    this.#visit.say(this.#text, this.#uploads.take());
    this.#field.value = "";
    this.#changed();
    this.focus();
  }
}

customElements.define("kefu-composer", KefuComposer);
