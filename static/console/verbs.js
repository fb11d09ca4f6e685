const TYPING_EVERY = 3000;
const PRESENCE_KEY = "kefu.console.presence";

/** What a failed verb says when the server gave no sentence of its own. */
const REASONS = {
  already_taken: () => gettext("A colleague has already taken this conversation."),
  wrong_state: () => gettext("The conversation has moved on; this is not possible any more."),
  not_found: () => gettext("This conversation is gone."),
  forbidden: () => gettext("You are not allowed to do this."),
  rate_limited: () => gettext("Too many at once. Wait a moment."),
  too_long: () => gettext("This is too long."),
  blocked: () => gettext("The company's rules do not allow these words."),
  offline: () => gettext("No connection. Try again when it is back."),
};

export const reason = ({ code, message }) => message || REASONS[code]?.() || gettext("That did not work. Try again.");

/**
 * Everything an agent can do; each sends one frame. Failures become a "problem" of the desk. What changes who answers names the epoch
 * that the agent saw: it is done then, or not at all.
 */
export class Verbs {
  #typedAt = 0;

  constructor(desk) {
    this.desk = desk;
    this.socket = desk.socket;
  }

  async takeOver(conversation) {
    const isTaken = await this.#move("take_over", conversation);
    if (isTaken) this.desk.thread(conversation)?.store.dropStreams();
    return isTaken;
  }

  handBack = (conversation) => this.#move("hand_back", conversation);
  end = (conversation) => this.#move("end", conversation);

  /** `to`: {agent: 7} or {team: 2} */
  async transfer(conversation, to, note) {
    this.desk.letGo(conversation);
    const isDone = await this.#move("transfer", conversation, { ...to, ...(note && { note }) });
    if (!isDone) this.desk.letGo(conversation, false);
    return isDone;
  }

  /** `files`: as uploading them answered. */
  send(conversation, text, files = []) {
    this.#deliver({ id: this.socket.newId(), conversation, text, files });
  }

  retry(conversation, { client_id: id, text, attachments: files = [] }) {
    this.#deliver({ id, conversation, text, files });
  }

  discard(conversation, { client_id: id }) {
    this.desk.thread(conversation).store.discard(id);
  }

  async readEarlier(conversation) {
    try {
      await this.desk.thread(conversation).loadEarlier();
    } catch {
      this.desk.say(gettext("Earlier messages could not be read."));
    }
  }

  async note(conversation, text) {
    const thread = this.desk.thread(conversation);
    const id = this.socket.newId();
    thread.writingNote(id, { text, sender: this.desk.me, at: new Date(this.desk.now()).toISOString() });
    const isWritten = await this.#ask({ type: "note", id, conversation, text });
    if (isWritten) for (const note of await this.desk.api.notes(conversation)) thread.addNote(note);
    thread.wroteNote(id);
    return isWritten;
  }

  typing(conversation) {
    if (Date.now() - this.#typedAt < TYPING_EVERY) return;
    this.#typedAt = Date.now();
    this.socket.send({ type: "typing", conversation });
  }

  async setPresence(state) {
    const isSet = await this.#ask({ type: "presence", state });
    if (isSet) localStorage.setItem(PRESENCE_KEY, state);
    this.desk.notePresence({ ...this.desk.me, presence: isSet ? state : this.desk.presence });
  }

  /** Whoever opens the console is there for visitors, unless they last said otherwise. */
  resumePresence() {
    const wanted = localStorage.getItem(PRESENCE_KEY) ?? "online";
    if (wanted !== this.desk.presence) this.setPresence(wanted);
  }

  // The desk hears the ack or the error and marks the message; nothing more to do here.
  #deliver({ id, conversation, text, files }) {
    const sender = { kind: "agent", ...this.desk.me };
    const at = new Date(this.desk.now()).toISOString();
    this.desk.thread(conversation).store.sending({ client_id: id, text, attachments: files, sender, at });
    const attachments = files.map((file) => file.id);
    const frame = { type: "message.send", id, conversation, text, ...(files.length && { attachments }) };
    this.socket.request(frame).catch(() => {});
    this.#typedAt = 0;
  }

  #move(verb, conversation, fields = {}) {
    const epoch = this.desk.state(conversation)?.epoch;
    return this.#ask({ type: `conversation.${verb}`, conversation, ...(epoch && { epoch }), ...fields });
  }

  async #ask(frame) {
    try {
      await this.socket.request(frame);
      return true;
    } catch (error) {
      this.desk.say(reason(error));
      if (frame.conversation) this.#lookAgain(frame.conversation);
      return false;
    }
  }

  // Whoever was too late sees at once who was faster.
  #lookAgain(conversation) {
    this.desk.api.conversation(conversation).then((state) => this.desk.file(state), () => {});
  }
}
