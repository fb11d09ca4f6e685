import { takeDropped, takePasted } from "../../shared/file-drop.js";
import { FileTray } from "../../shared/file-tray.js";
import { accepted, limitsInWords, Uploads } from "../../shared/uploads.js";
import { button, element, icon, iconButton } from "../dom.js";
import { keepDraft, readDraft } from "../drafts.js";
import { visitorName } from "../labels.js";
import { CannedReplies, fillReply } from "./canned-replies.js";
import { offers } from "./thread-header.js";

const MAX_TEXT = 4000;

const MODES = {
  reply: {
    label: () => gettext("Reply"),
    send: () => gettext("Send"),
    placeholder: () => gettext("Write a reply, or / for canned replies"),
  },
  note: {
    label: () => gettext("Note"),
    send: () => gettext("Add note"),
    placeholder: () => gettext("A note for colleagues; the visitor never sees it"),
  },
};

/** Why no reply can be written now, by state. */
const LOCKED = {
  bot: () => gettext("The AI has the floor."),
  waiting: () => gettext("The visitor is waiting for a person."),
  agent: () => gettext("A colleague has the floor."),
  closed: () => gettext("Closed: nothing more can be sent."),
};

/** Where the agent writes: a reply or a note, canned replies behind `/`. Enter sends. */
export class MessageComposer extends HTMLElement {
  #conversation = null;
  #state = null;
  #mode = "reply";
  #uploads = new Map(); // by conversation

  constructor(desk, verbs, acts) {
    super();
    Object.assign(this, { desk, verbs, acts });
    this.canned = new CannedReplies((reply) => this.#takeCanned(reply));
    this.tabs = Object.fromEntries(Object.keys(MODES).map((mode) => [mode, this.#tab(mode)]));
    this.area = this.#textArea();
    this.button = element("button", { type: "submit", class: "primary" });
    this.locked = element("div", { class: "locked" });
    this.tray = new FileTray();
    this.tray.addEventListener("emptied", () => this.area.focus());
    this.form = element("form", {}, this.canned, this.tray, this.area, this.#footer());
    this.form.addEventListener("submit", (event) => this.#submit(event));
    const modes = element("div", { class: "modes", role: "group" }, Object.values(this.tabs));
    modes.setAttribute("aria-label", gettext("What to write"));
    this.append(modes, this.locked, this.form);
  }

  connectedCallback() {
    if (!this.desk.uploads) return;
    const take = (files) => this.#files.add(files);
    const mayTake = () => this.#mayTake;
    const zone = this.parentElement; // the whole thread
    zone.dataset.dropHint = `${gettext("Drop files here")}\n${limitsInWords(this.desk.uploads)}`;
    takePasted(this.area, mayTake, take);
    takeDropped(zone, mayTake, take);
  }

  get #mayTake() {
    return this.#mode === "reply" && Boolean(this.#canReply);
  }

  /** As its button does. */
  attach() {
    if (this.#mayTake) this.picker?.click();
  }

  get #files() {
    const id = this.#conversation;
    if (!this.#uploads.has(id)) {
      const uploads = new Uploads({ limits: () => this.desk.uploads, address: () => this.desk.api.files(id) });
      uploads.addEventListener("change", () => this.#enable());
      this.#uploads.set(id, uploads);
    }
    return this.#uploads.get(id);
  }

  /** Another conversation: its own draft comes back. */
  open(conversation) {
    this.#conversation = conversation;
    this.#state = null;
    if (conversation) this.tray.uploads = this.#files;
    this.write("reply", { focus: false });
  }

  show(state) {
    const could = this.#canReply;
    this.#state = state;
    this.#lock();
    // After "Take over" the next thing is to write.
    if (this.#canReply && could === false && this.#mode === "reply" && !isTouch()) this.area.focus();
  }

  write(mode, { focus = true } = {}) {
    this.#mode = mode;
    this.dataset.mode = mode;
    for (const [name, tab] of Object.entries(this.tabs)) tab.setAttribute("aria-pressed", String(name === mode));
    this.button.replaceChildren(icon(mode === "note" ? "note" : "send"), MODES[mode].send());
    this.area.placeholder = MODES[mode].placeholder();
    this.area.setAttribute("aria-label", MODES[mode].label());
    this.#fillArea(this.#conversation ? readDraft(this.#conversation, mode) : "");
    this.#lock();
    if (focus) this.area.focus();
  }

  get #canReply() {
    return this.#state && this.#state.state === "agent" && this.desk.isMine(this.#state);
  }

  #tab(mode) {
    return button("", () => this.write(mode), MODES[mode].label());
  }

  #textArea() {
    const aria = { "aria-controls": this.canned.id, "aria-autocomplete": "list" };
    const area = element("textarea", { rows: 1, maxlength: MAX_TEXT, ...aria });
    area.addEventListener("input", () => this.#typed());
    area.addEventListener("keydown", (event) => this.#key(event));
    area.addEventListener("blur", () => this.canned.close());
    return area;
  }

  #footer() {
    const key = (name) => element("kbd", {}, name);
    const send = [key("Enter"), " ", gettext("sends")];
    const line = [key("Shift"), " ", key("Enter"), " ", gettext("new line")];
    const hint = element("small", { class: "hint" }, send, " · ", line);
    return element("footer", {}, hint, this.desk.uploads && this.#attachButton(), this.button);
  }

  /** A button for files, and the browser's own dialog behind it. */
  #attachButton() {
    const accept = accepted(this.desk.uploads);
    const picker = element("input", { type: "file", multiple: true, hidden: true, accept });
    picker.addEventListener("change", () => {
      this.#files.add([...picker.files]);
      picker.value = ""; // or the same file could not be chosen again
      this.area.focus();
    });
    const button = iconButton("clip", gettext("Add files"), "attach", () => this.attach());
    button.title = `${gettext("Add files")}\n${limitsInWords(this.desk.uploads)}`;
    this.picker = picker;
    return [picker, button];
  }

  #lock() {
    const isLocked = this.#mode === "reply" && !this.#canReply;
    this.form.hidden = isLocked;
    this.locked.hidden = !isLocked;
    if (!isLocked || !this.#state) return;
    const take = button("plain", () => this.acts.takeOver(), icon("take"), gettext("Take over"));
    take.hidden = !offers("takeOver", this.#state, this.desk);
    this.locked.replaceChildren(element("span", {}, LOCKED[this.#state.state]()), take);
  }

  #key(event) {
    // While an input method composes, Enter chooses a character (229: Safari says so after the fact).
    if (event.isComposing || event.keyCode === 229) return;
    if (this.canned.handleKey(event)) return this.#announceOption();
    if (event.key === "Escape") this.area.blur();
    if (event.key !== "Enter" || event.shiftKey || event.altKey) return;
    event.preventDefault();
    this.form.requestSubmit();
  }

  #typed() {
    keepDraft(this.#conversation, this.#mode, this.area.value);
    this.#fit();
    if (this.#mode !== "reply") return;
    this.canned.offer(this.#filledReplies(), this.area.value);
    this.#announceOption();
    if (this.area.value && !this.canned.isOpen) this.verbs.typing(this.#conversation);
  }

  #submit(event) {
    event.preventDefault();
    if (this.button.disabled) return;
    const text = this.area.value.trim();
    if (this.#mode === "note") this.verbs.note(this.#conversation, text);
    else this.verbs.send(this.#conversation, text, this.#files.take());
    this.#fillArea("");
    keepDraft(this.#conversation, this.#mode, "");
  }

  #filledReplies() {
    const names = { name: visitorName(this.#state), agent: this.desk.me.name };
    return this.desk.cannedReplies.map((reply) => ({ ...reply, text: fillReply(reply.text, names) }));
  }

  #takeCanned({ text }) {
    this.#fillArea(text);
    keepDraft(this.#conversation, this.#mode, this.area.value);
  }

  #fillArea(text) {
    this.area.value = text;
    this.canned.close();
    this.#announceOption();
    this.#fit();
  }

  #announceOption() {
    this.area.setAttribute("aria-activedescendant", this.canned.activeOption);
  }

  #fit() {
    this.area.style.height = "auto";
    this.area.style.height = `${this.area.scrollHeight}px`;
    this.#enable();
  }

  #enable() {
    const isReply = this.#mode === "reply" && this.#conversation;
    const hasText = this.area.value.trim() !== "";
    this.button.disabled = isReply ? this.#files.isBusy || !(hasText || this.#files.ready.length) : !hasText;
  }
}

const isTouch = () => matchMedia("(pointer: coarse)").matches;

customElements.define("message-composer", MessageComposer);
