import { fill } from "../../shared/format.js";
import { button, element, icon, oncePerFrame } from "../dom.js";
import { MessageComposer } from "./message-composer.js";
import { ThreadHeader } from "./thread-header.js";
import { ThreadLog } from "./thread-log.js";

const READING = () => [gettext("Reading…"), ""];

/** What to say in place of a thread, by its status. */
const EMPTY = {
  none: () => [gettext("No conversation is open"), gettext("Choose one on the left, or press Alt+J for the next.")],
  new: READING,
  loading: READING,
  ready: READING,
  failed: () => [gettext("This conversation cannot be shown"), gettext("It may not exist, or it could not be read.")],
};

/** What the line over the thread says, by the conversation's state. */
const BANNERS = {
  bot: () => gettext("The AI is answering. Take over, and it falls silent at once."),
  waiting: waitingText,
  agent: colleagueText,
  closed: () => gettext("This conversation is closed. If the visitor writes again, a new one begins."),
};

/** The middle pane: the open conversation, or what to do when none is. */
export class ConversationThread extends HTMLElement {
  attach(desk, verbs, acts) {
    this.desk = desk;
    this.header = new ThreadHeader(desk, acts);
    this.banner = element("p", { class: "state-banner" });
    this.log = new ThreadLog(verbs);
    this.composer = new MessageComposer(desk, verbs, acts);
    this.empty = element("div", { class: "empty" });
    this.append(this.header, this.banner, this.log, this.composer, this.empty);
    this.redraw = oncePerFrame(() => this.#draw());
    desk.addEventListener("list", this.redraw);
    desk.addEventListener("open", () => this.#opened());
    this.#draw();
  }

  #opened() {
    const thread = this.desk.thread(this.desk.current);
    // The row's state may come only with the thread: a link straight to a conversation.
    thread?.addEventListener("change", this.redraw);
    this.log.show(thread ?? null);
    this.composer.open(this.desk.current);
    this.#draw();
  }

  #draw() {
    const state = this.desk.state(this.desk.current);
    const thread = this.desk.thread(this.desk.current);
    const isShown = Boolean(state) && thread?.status === "ready";
    for (const part of [this.header, this.log, this.composer]) part.hidden = !isShown;
    this.empty.hidden = isShown;
    if (!isShown) this.#drawEmpty(thread);
    else this.header.show(state);
    if (isShown) this.composer.show(state);
    this.#drawBanner(isShown ? state : null);
  }

  #drawBanner(state) {
    const text = state && BANNERS[state.state](state, this.desk);
    this.banner.hidden = !text;
    this.banner.dataset.state = state?.state ?? "";
    this.banner.textContent = text ?? "";
  }

  #drawEmpty(thread) {
    const [title, next] = EMPTY[thread?.status ?? "none"]();
    const again = thread?.status === "failed" && button("plain", () => this.desk.retryOpen(), gettext("Try again"));
    this.empty.replaceChildren(icon("inbox"), element("strong", {}, title), element("p", {}, next), again || "");
  }
}

function colleagueText(state, desk) {
  if (desk.isMine(state) || !state.agent) return null;
  return fill(gettext("%(name)s looks after this visitor. You can read along and leave notes."), state.agent);
}

function waitingText({ reason }) {
  if (!reason) return gettext("The visitor asked for a person and is waiting.");
  return fill(gettext("The visitor is waiting for a person: %(reason)s"), { reason });
}

customElements.define("conversation-thread", ConversationThread);
