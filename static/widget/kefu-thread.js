import { button, element } from "../shared/dom.js";
import { day, fill, isSameDay } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";
import { KefuGreeting } from "./kefu-greeting.js";
import { KefuMessage } from "./kefu-message.js";

const NEAR_END = 80;
const ONE_BREATH = 5 * 60 * 1000; // messages of one sender this close together share one heading

/** The conversation, oldest first; keeps its end in sight unless the reader has scrolled away from it. */
export class KefuThread extends HTMLElement {
  #visit;
  #rows = new Map();
  #isAtEnd = true;
  #greeting = new KefuGreeting();
  #earlier = button("plain earlier", () => this.#showEarlier(), {}, gettext("Earlier messages"));
  #list = element("div", {
    class: "list",
    role: "log",
    "aria-live": "polite",
    "aria-label": gettext("Conversation"),
    tabIndex: 0,
  });
  #words = element("span", { class: "sr-only" });
  #dots = element("div", { class: "typing", hidden: true }, this.#words, element("i"), element("i"), element("i"));
  #toEnd = button("to-end", () => this.toEnd(), { hidden: true }, icon("down_arrow"), gettext("New messages"));

  connectedCallback() {
    if (this.childElementCount) return;
    this.append(this.#list, this.#toEnd);
    this.#list.addEventListener("scroll", () => this.#scrolled(), { passive: true });
    new ResizeObserver(() => this.#isAtEnd && this.toEnd()).observe(this.#list);
  }

  set visit(visit) {
    this.#visit = visit;
    visit.addEventListener("ready", () => this.#reset());
    visit.addEventListener("awaiting", () => this.#showDots());
    visit.addEventListener("conversation", () => (this.dataset.state = visit.conversation.state));
    visit.addEventListener("seen", () => this.#markSeen());
  }

  toEnd() {
    this.#list.scrollTop = this.#list.scrollHeight;
    this.#isAtEnd = true;
    this.#toEnd.hidden = true;
    this.#look();
  }

  #reset() {
    const { store, policy } = this.#visit;
    this.#rows.clear();
    this.#greeting.policy = policy;
    this.#list.replaceChildren(this.#earlier, this.#greeting, this.#dots);
    store.addEventListener("change", ({ detail }) => store === this.#visit.store && this.#changed(detail.item));
    store.addEventListener("remove", ({ detail }) => store === this.#visit.store && this.#removed(detail.item));
    this.#arrange();
  }

  #changed(item) {
    const row = this.#rows.get(item.key);
    const isMoved = !row || row.seq !== item.seq;
    if (row) row.node.show(item);
    else this.#rows.set(item.key, { node: new KefuMessage(this.#visit, item) });
    this.#rows.get(item.key).seq = item.seq;
    if (isMoved || !row.node.isConnected) this.#arrange();
    this.#showDots();
    this.#follow(item);
  }

  #removed(item) {
    this.#rows.get(item.key)?.node.remove();
    this.#rows.delete(item.key);
    this.#arrange();
    this.#showDots();
  }

  // An answer without a word yet is the dots' business.
  #arrange() {
    const items = this.#visit.store.items().filter(({ text, html, stream, seq }) => seq || !stream || text || html);
    let place = this.#greeting;
    for (const [index, item] of items.entries()) {
      place = this.#put(this.#dayBefore(item, items[index - 1]), place);
      place = this.#put(this.#rows.get(item.key)?.node, place);
      place.toggleAttribute("data-continued", isContinued(item, items[index - 1]));
      place.toggleAttribute("data-last", index === items.length - 1);
    }
    this.#earlier.hidden = this.#visit.store.first <= 1;
    this.#greeting.hidden = !this.#earlier.hidden;
    this.#greeting.toggleAttribute("data-used", items.some(({ sender }) => sender.kind === "visitor"));
    this.#markSeen();
  }

  #put(node, place) {
    if (!node) return place;
    if (place.nextSibling !== node) place.after(node);
    return node;
  }

  #dayBefore(item, previous) {
    const key = `day ${item.key}`;
    const isNeeded = item.at && !isSameDay(item.at, previous?.at ?? Date.now());
    if (!isNeeded) {
      this.#rows.get(key)?.node.remove();
      this.#rows.delete(key);
      return null;
    }
    if (!this.#rows.has(key)) this.#rows.set(key, { node: element("div", { class: "day" }, day(item.at)) });
    return this.#rows.get(key).node;
  }

  #showDots() {
    const { store, isAwaiting, typist } = this.#visit;
    const stream = store?.stream;
    const isWriting = (isAwaiting && !stream?.text) || Boolean(typist);
    const who = typist?.name && fill(gettext("%(name)s is typing"), { name: typist.name });
    this.#words.textContent = who || gettext("An answer is being written");
    this.#dots.hidden = !isWriting;
    this.#list.setAttribute("aria-busy", Boolean(stream));
    if (this.#isAtEnd) this.toEnd();
  }

  #markSeen() {
    const { seenSeq } = this.#visit;
    const own = [...this.#rows.values()].filter(({ node }) => node.dataset.kind === "visitor");
    const last = Math.max(0, ...own.map(({ seq }) => seq).filter((seq) => seq <= seenSeq));
    for (const { node, seq } of this.#rows.values()) node.toggleAttribute("data-seen", seq === last && last > 0);
  }

  #follow(item) {
    if (this.#isAtEnd || (item.status === "sending" && item.sender.kind === "visitor")) this.toEnd();
    else if (item.sender.kind !== "visitor") this.#toEnd.hidden = false;
  }

  #scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.#list;
    this.#isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END;
    if (this.#isAtEnd) this.#toEnd.hidden = true;
    this.#look();
  }

  #look() {
    if (this.#isAtEnd && this.#visit?.isShown && !document.hidden) this.#visit.look();
  }

  async #showEarlier() {
    const { scrollHeight, scrollTop } = this.#list;
    this.#isAtEnd = false;
    await this.#visit.earlier().catch(() => {});
    this.#list.scrollTop = scrollTop + this.#list.scrollHeight - scrollHeight;
    this.#toEnd.hidden = true;
  }
}

function isContinued(item, previous) {
  if (item.sender.kind !== previous?.sender.kind || item.sender.name !== previous.sender.name) return false;
  return !item.at || !previous.at || Date.parse(item.at) - Date.parse(previous.at) < ONE_BREATH;
}

customElements.define("kefu-thread", KefuThread);
