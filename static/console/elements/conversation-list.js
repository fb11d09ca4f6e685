import { arrange, element, icon, oncePerFrame } from "../dom.js";
import { inTab, TABS } from "../inbox.js";
import { ConversationRow } from "./conversation-row.js";

const TAB_NAMES = {
  waiting: () => gettext("Waiting"),
  mine: () => gettext("Mine"),
  all: () => gettext("All"),
};

/** What an empty tab means, and what to do next. */
const EMPTY = {
  waiting: () => [gettext("Nobody is waiting"), gettext("You will hear a tone when a visitor asks for a person.")],
  mine: () => [gettext("Nothing on your desk"), gettext("Take one from Waiting, or step into one under All.")],
  all: () => [gettext("No conversations yet"), gettext("They appear here as soon as a visitor writes.")],
  search: () => [gettext("Nothing found"), gettext("Try a name, a word of the last message, or a page title.")],
};

/** The left pane: tabs with counts, a filter, the conversations. */
export class ConversationList extends HTMLElement {
  #rows = new Map();
  #tab = "waiting";
  #isNew = true;

  attach(desk) {
    this.desk = desk;
    this.#build();
    const redraw = oncePerFrame(() => this.#draw());
    desk.addEventListener("list", redraw);
    desk.addEventListener("list", () => this.#isNew && this.#begin());
    desk.addEventListener("news", ({ detail }) => detail.kind === "assigned" && this.#showOwn());
    desk.addEventListener("open", redraw);
    this.search.addEventListener("input", redraw);
    setInterval(() => this.#tick(), 1000);
    this.select("waiting");
  }

  select(tab) {
    if (tab === "all" || this.#tab === "all") this.desk.watchAll(tab === "all");
    this.#tab = tab;
    for (const [name, button] of Object.entries(this.tabs)) {
      button.setAttribute("aria-selected", String(name === tab));
      button.tabIndex = name === tab ? 0 : -1;
    }
    this.list.setAttribute("aria-labelledby", `tab-${tab}`);
    this.#draw();
  }

  /** Moves on to another tab with the conversation that has just left this one. */
  follow(from, to) {
    if (this.#tab === from) this.select(to);
  }

  /** The conversation `step` rows below (or above) the open one, as the list stands now. */
  beside(step) {
    const ids = this.#shown().map(({ conversation }) => conversation);
    const index = ids.indexOf(this.desk.current);
    if (index < 0) return ids.at(step > 0 ? 0 : -1);
    return ids[Math.min(ids.length - 1, Math.max(0, index + step))];
  }

  #begin() {
    if (!this.desk.hasRead("waiting") || !this.desk.hasRead("mine")) return;
    this.#isNew = false;
    this.#showOwn();
  }

  // Who looks at an empty queue, but has visitors of their own, wants to see those.
  #showOwn() {
    const isEmpty = (tab) => inTab(this.desk.states(), tab, this.desk.me).length === 0;
    if (this.#tab === "waiting" && isEmpty("waiting") && !isEmpty("mine")) this.select("mine");
  }

  #build() {
    this.tabs = Object.fromEntries(TABS.map((tab) => [tab, this.#tabButton(tab)]));
    const label = gettext("Conversations");
    const tablist = element("div", { role: "tablist", "aria-label": label }, Object.values(this.tabs));
    tablist.addEventListener("keydown", (event) => this.#moveTab(event));
    this.search = element("input", { type: "search", placeholder: gettext("Search") });
    this.search.setAttribute("aria-label", gettext("Search conversations"));
    this.list = element("div", { role: "list", id: "conversations", class: "rows" });
    this.empty = element("div", { class: "empty" });
    this.append(tablist, element("label", { class: "search" }, icon("search"), this.search), this.list, this.empty);
  }

  #tabButton(tab) {
    const attributes = { type: "button", role: "tab", id: `tab-${tab}`, "aria-controls": "conversations" };
    const count = element("span", { class: "count" });
    const button = element("button", { ...attributes, onclick: () => this.select(tab) }, TAB_NAMES[tab](), count);
    return Object.assign(button, { count });
  }

  #moveTab(event) {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const next = TABS[(TABS.indexOf(this.#tab) + step + TABS.length) % TABS.length];
    this.select(next);
    this.tabs[next].focus();
  }

  #shown() {
    return inTab(this.desk.states(), this.#tab, this.desk.me, this.search.value);
  }

  #draw() {
    const shown = this.#shown();
    arrange(this.list, shown.map((state) => this.#row(state)));
    for (const tab of TABS) this.#count(tab);
    this.#drawEmpty(shown.length === 0);
  }

  #row(state) {
    const id = state.conversation;
    if (!this.#rows.has(id)) this.#rows.set(id, new ConversationRow());
    const row = this.#rows.get(id);
    row.show(state, { me: this.desk.me, now: this.desk.now(), isOpen: id === this.desk.current });
    return row;
  }

  #count(tab) {
    const { length } = inTab(this.desk.states(), tab, this.desk.me);
    this.tabs[tab].count.textContent = length || "";
  }

  #drawEmpty(isEmpty) {
    this.empty.hidden = !isEmpty;
    if (!isEmpty) return;
    const isReading = !this.desk.hasRead(this.#tab) && this.desk.connection.state !== "stopped";
    const [title, next] = isReading ? [gettext("Reading…"), ""] : EMPTY[this.search.value ? "search" : this.#tab]();
    this.empty.replaceChildren(icon("inbox"), element("strong", {}, title), element("p", {}, next));
  }

  #tick() {
    const now = this.desk.now();
    for (const row of this.list.children) row.tick(now);
  }
}

customElements.define("conversation-list", ConversationList);
