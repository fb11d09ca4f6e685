import { ConversationStore } from "../shared/conversation.js";

const FIRST_PAGE = 50;
const TYPING_LASTS = 6000;

/**
 * One conversation as an agent reads it: its messages, the notes between them, who is typing, how far either side has
 * read. `status` is "new", "loading", "ready" or "failed". Fires "change" whenever there is something to draw.
 */
export class Thread extends EventTarget {
  #notes = new Map();
  #typingTimer = null;

  status = "new";
  typing = null;
  visitorRead = 0;
  visitorIsHere = false;
  agentRead = 0;

  constructor(id, api) {
    super();
    this.id = id;
    this.api = api;
    this.store = new ConversationStore(id);
    for (const name of ["change", "remove"]) this.store.addEventListener(name, () => this.#changed());
  }

  get hasEarlier() {
    return this.store.first > 1;
  }

  /** Reads the last page; `seq` is the newest message the server told of. Answers the last seq held. */
  async load(seq) {
    const [notes] = await Promise.all([this.api.notes(this.id), this.#readFrom(Math.max(0, seq - FIRST_PAGE))]);
    for (const note of notes) this.addNote(note);
    this.#become("ready");
    return this.store.seq;
  }

  async loadEarlier() {
    const before = this.store.first - 1;
    const after = Math.max(0, before - FIRST_PAGE);
    const { messages } = await this.api.messages(this.id, after, before - after);
    for (const message of messages) this.store.add(message);
  }

  begin() {
    this.#become("loading");
  }

  fail() {
    this.#become("failed");
  }

  /** Messages in order, each note before the first message that is younger. */
  entries() {
    const notes = [...this.#notes.values()].sort((a, b) => Date.parse(a.at) - Date.parse(b.at));
    const entries = [];
    for (const item of this.store.items()) {
      while (notes.length && item.seq && Date.parse(notes[0].at) < Date.parse(item.at)) entries.push(notes.shift());
      entries.push(item);
    }
    return [...entries, ...notes];
  }

  addNote(note) {
    this.#notes.set(`note ${note.n}`, { ...note, key: `note ${note.n}`, isNote: true, status: "sent" });
    this.#changed();
  }

  writingNote(id, note) {
    this.#notes.set(id, { ...note, key: id, isNote: true, status: "sending" });
    this.#changed();
  }

  wroteNote(id) {
    this.#notes.delete(id);
    this.#changed();
  }

  heardTyping({ sender, text = "" }) {
    clearTimeout(this.#typingTimer);
    this.typing = { name: sender.name, kind: sender.kind, text };
    this.#typingTimer = setTimeout(() => this.stoppedTyping(), TYPING_LASTS);
    this.#changed();
  }

  stoppedTyping() {
    clearTimeout(this.#typingTimer);
    this.typing = null;
    this.#changed();
  }

  /** Whether the visitor has the page open. */
  visitorIs(isHere) {
    this.visitorIsHere = isHere;
    this.#changed();
  }

  /** The line is down: what still runs makes itself known again. */
  lost() {
    this.store.dropStreams();
    this.visitorIs(false);
  }

  readTo(seq) {
    if (seq <= this.visitorRead) return;
    this.visitorRead = seq;
    this.#changed();
  }

  async #readFrom(after) {
    let page = { more: true };
    for (let at = after; page.more; at = page.messages.at(-1)?.seq ?? at) {
      page = await this.api.messages(this.id, at, FIRST_PAGE);
      for (const message of page.messages) this.store.add(message);
      if (!page.messages.length) return;
    }
  }

  #become(status) {
    this.status = status;
    this.#changed();
  }

  #changed() {
    this.dispatchEvent(new Event("change"));
  }
}
