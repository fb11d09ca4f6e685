import { day, isSameDay } from "../../shared/format.js";
import { arrange, button, element, oncePerFrame } from "../dom.js";
import { senderName } from "../labels.js";
import { dots, ThreadMessage } from "./thread-message.js";
import { ThreadNote } from "./thread-note.js";

const NEAR_BOTTOM = 80;

/** The messages of the open conversation. Stays at the bottom unless the agent has scrolled up to read. */
export class ThreadLog extends HTMLElement {
  #thread = null;
  #elements = new Map();
  #isAtBottom = true;

  constructor(verbs) {
    super();
    this.verbs = verbs;
    this.earlier = button("plain earlier", () => this.#loadEarlier(), gettext("Earlier messages"));
    this.log = element("div", { class: "entries", role: "log", "aria-live": "polite" });
    this.log.setAttribute("aria-label", gettext("Messages"));
    this.typing = element("p", { class: "typing" });
    this.scroller = element("div", { class: "scroller", tabindex: 0 }, this.earlier, this.log, this.typing);
    this.jump = button("jump", () => this.#toBottom(), gettext("Newest messages"), " ↓");
    this.jump.hidden = true;
    this.redraw = oncePerFrame(() => this.#draw());
    this.scroller.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    // Room lost to the composer or a keyboard must not hide the last message.
    new ResizeObserver(() => this.#isAtBottom && this.#toBottom()).observe(this.scroller);
    this.append(this.scroller, this.jump);
  }

  show(thread) {
    this.#thread?.removeEventListener("change", this.redraw);
    this.#thread = thread;
    this.#elements.clear();
    this.log.replaceChildren();
    this.#isAtBottom = true;
    thread?.addEventListener("change", this.redraw);
    this.#draw();
  }

  #draw() {
    if (!this.#thread) return;
    arrange(this.log, this.#children());
    this.earlier.hidden = !this.#thread.hasEarlier;
    this.#drawTyping();
    if (this.#isAtBottom) this.#toBottom();
    this.jump.hidden = this.#isAtBottom;
  }

  #children() {
    const children = [];
    let before = null;
    for (const entry of this.#thread.entries()) {
      const opensDay = entry.at && (!before?.at || !isSameDay(before.at, entry.at));
      if (opensDay) children.push(this.#day(entry.at));
      children.push(this.#entry(entry, opensDay || !isSameSender(before, entry)));
      before = entry;
    }
    return children;
  }

  #entry(entry, isFirst) {
    const node = this.#keep(entry.key, () => (entry.isNote ? new ThreadNote() : this.#newMessage()));
    const isRead = entry.seq <= this.#thread.visitorRead;
    node.show(entry, { isRead, isFirst });
    return node;
  }

  #newMessage() {
    const { id } = this.#thread;
    return new ThreadMessage({
      retry: (item) => this.verbs.retry(id, item),
      discard: (item) => this.verbs.discard(id, item),
      addressOf: (file) => this.verbs.desk.api.files(id, file.id),
    });
  }

  #day(at) {
    const date = day(at);
    return this.#keep(`day ${date}`, () => element("h3", { class: "day" }, date));
  }

  #keep(key, make) {
    if (!this.#elements.has(key)) this.#elements.set(key, make());
    return this.#elements.get(key);
  }

  #drawTyping() {
    const { typing } = this.#thread;
    this.typing.hidden = !typing;
    if (!typing) return;
    const preview = typing.text && element("q", {}, typing.text);
    this.typing.replaceChildren(element("span", {}, senderName(typing)), dots(gettext("is typing")), preview || "");
  }

  async #loadEarlier() {
    const { scrollHeight, scrollTop } = this.scroller;
    await this.verbs.readEarlier(this.#thread.id);
    this.#draw();
    this.scroller.scrollTop = scrollTop + this.scroller.scrollHeight - scrollHeight;
  }

  #scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.scroller;
    this.#isAtBottom = scrollHeight - scrollTop - clientHeight < NEAR_BOTTOM;
    this.jump.hidden = this.#isAtBottom;
  }

  #toBottom() {
    this.scroller.scrollTop = this.scroller.scrollHeight;
  }
}

function isSameSender(before, entry) {
  if (!before || before.isNote || entry.isNote) return false;
  const [one, other] = [before.sender, entry.sender];
  return one.kind === other.kind && String(one.id) === String(other.id);
}

customElements.define("thread-log", ThreadLog);
