/**
 * A visitor's visit: the session, the line, the conversation, and the verbs of the panel. Elements read it and listen:
 *   "ready"          a session stands: policy, visitor, store are there (again after a new conversation)
 *   "conversation"   its state changed            "connection"   the line came or went
 *   "awaiting"       dots on or off               "seen"         an agent has read up to `seenSeq`
 *   "problem"        detail = Error               "unread"       `unread` changed
 */
import { ConversationStore } from "../shared/conversation.js";
import { KefuSocket } from "../shared/socket.js";
import { gettext } from "../shared/text.js";
import { Uploads } from "../shared/uploads.js";
import { authorisation, fetchFile, fetchMessages, forgetSession, startSession } from "./session.js";

const ANSWER_PATIENCE = 90_000;
const TYPING_EVERY = 3_000;
const TYPING_LASTS = 6_000;
const EARLIER = 50;
const START_DELAYS = [1_000, 2_000, 5_000, 10_000, 30_000];

export class Visit extends EventTarget {
  policy = null;
  visitor = null;
  store = null;
  conversation = { state: "bot" };
  connection = "connecting";
  isAwaiting = false;
  isShown = true;
  typist = null;
  seenSeq = 0;
  unread = 0;

  #turn = 0;
  #wishes = {};
  #token = null;
  #socket = null;
  #timers = {};
  #typedAt = 0;
  #readSeq = 0;
  #files = new Map(); // id -> promise of an object URL

  /** Starts, and tries until it succeeds or is refused for good. `wishes`: {identity?, locale?, page?, attributes?}. */
  async begin(wishes = {}) {
    this.#wishes = { ...this.#wishes, ...wishes };
    const turn = (this.#turn += 1);
    for (let attempt = 0; turn === this.#turn; attempt += 1) {
      try {
        return await this.#start(turn);
      } catch (error) {
        if (error.name === "HttpError" && !error.isTemporary) return this.#giveUp(error);
        this.#connectionIs("waiting");
        await pause(START_DELAYS[Math.min(attempt, START_DELAYS.length - 1)]);
      }
    }
  }

  async reset() {
    forgetSession();
    this.#wishes = { ...this.#wishes, identity: undefined, attributes: undefined };
    await this.begin();
  }

  // -- verbs ----------------------------------------------------------------------------------------

  /** `files`: as uploading them answered. */
  say(text, files = []) {
    const id = this.#socket.newId();
    const at = new Date().toISOString();
    this.store.sending({ client_id: id, text, attachments: files, at, sender: { kind: "visitor" } });
    this.#await(this.conversation.state === "bot" && this.connection === "online");
    const attachments = files.map((file) => file.id);
    this.#post({ type: "message.send", id, conversation: this.store.id, text, ...(files.length && { attachments }) });
  }

  sayAgain(item) {
    this.store.discard(item.client_id);
    this.say(item.text, item.attachments);
  }

  /** Where the next message's files go; a new one for each conversation. */
  newUploads() {
    const address = `/api/v1/conversations/${encodeURIComponent(this.store.id)}/attachments`;
    return new Uploads({ limits: () => this.policy.uploads, address: () => address, headers: () => authorisation(this.#token) });
  }

  /** An object URL of a file: the token that opens it travels in a header, so no element can fetch it by itself. */
  addressOf({ id }) {
    if (!this.#files.has(id)) this.#files.set(id, this.#fetchFile(id));
    return this.#files.get(id);
  }

  async #fetchFile(id) {
    try {
      return URL.createObjectURL(await fetchFile(this.#token, this.store.id, id));
    } catch (error) {
      this.#files.delete(id);
      throw error;
    }
  }

  askAgent(reason) {
    return this.#ask("agent.request", reason ? { reason } : {});
  }

  stopAnswer() {
    this.#await(false);
    return this.#ask("answer.stop");
  }

  answerAgain() {
    this.#await(true);
    return this.#ask("answer.again").catch((error) => {
      this.#await(false);
      throw error;
    });
  }

  judge(seq, score, comment) {
    return this.#ask("feedback", { seq, score, ...(comment && { comment }) });
  }

  rate(score, comment) {
    return this.#ask("rate", { score, ...(comment && { comment }) });
  }

  /** This conversation as it stands: not with an agent who came meanwhile. Who asks for a person asks for one however it stands. */
  end() {
    const { epoch } = this.conversation;
    return this.#ask("conversation.end", { ...(epoch && { epoch }) });
  }

  typing() {
    if (this.conversation.state !== "agent" || Date.now() - this.#typedAt < TYPING_EVERY) return;
    this.#typedAt = Date.now();
    this.#socket?.send({ type: "typing", conversation: this.store.id });
  }

  /** The visitor has the end of the thread before their eyes. */
  look() {
    const seq = this.store?.seq ?? 0;
    this.#setUnread(0);
    if (!seq || seq <= this.#readSeq || this.connection !== "online") return;
    this.#readSeq = seq;
    this.#socket.send({ type: "read", conversation: this.store.id, seq });
  }

  async earlier() {
    const after = Math.max(0, this.store.first - 1 - EARLIER);
    const page = await fetchMessages(this.#token, this.store.id, after, this.store.first - 1 - after);
    for (const message of page.messages) this.store.add(message);
  }

  // -- the session and its line -------------------------------------------------------------------------

  async #start(turn = this.#turn) {
    const session = await startSession(this.#wishes);
    if (turn !== this.#turn) return; // a later wish is on its way
    this.#socket?.close();
    this.#clear();
    this.#token = session.token;
    this.policy = session.policy;
    this.visitor = session.visitor;
    this.conversation = { ...session.conversation, conversation: session.conversation.id };
    this.store = new ConversationStore(session.conversation.id);
    this.#socket = this.#line();
    this.#emit("ready");
    this.#emit("conversation");
    this.#socket.connect();
  }

  #clear() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
    this.typist = null;
    this.seenSeq = this.#readSeq = 0;
    this.#await(false);
    this.#setUnread(0);
  }

  #line() {
    const socket = new KefuSocket({
      url: "/ws/v1/visitor",
      hello: () => ({ token: this.#token }),
      history: (conversation, after) => fetchMessages(this.#token, conversation, after),
      onUnauthorised: () => this.#renew(),
      storageKey: `kefu.outbox.${this.store.id}`,
    });
    const heard = {
      state: (detail) => this.#connectionIs(detail.state, detail.code),
      welcome: (frame) => this.#welcomed(frame),
      restored: ({ frames }) => frames.forEach((frame) => this.#restore(frame)),
      message: (frame) => this.#received(frame),
      conversation: (frame) => this.#changed(frame),
      typing: (frame) => this.#typed(frame),
      read: (frame) => this.#wasRead(frame),
      "answer.start": (frame) => this.#mine(frame) && this.store.start(frame),
      "answer.delta": (frame) => this.#mine(frame) && this.store.delta(frame),
      "answer.end": (frame) => this.#ended(frame),
      ack: (frame) => frame.request?.type === "message.send" && this.store.acknowledge(frame),
      error: (frame) => this.#failed(frame),
    };
    for (const [name, hear] of Object.entries(heard)) {
      socket.addEventListener(name, ({ detail }) => socket === this.#socket && hear(detail));
    }
    return socket;
  }

  // The token ran out, or its visitor is gone: the server says which by the conversation it answers with.
  async #renew() {
    const session = await startSession(this.#wishes);
    this.#token = session.token;
    if (session.conversation.id === this.store.id) return true;
    await this.#start();
    return false;
  }

  #giveUp(error) {
    this.#connectionIs("stopped");
    this.#emit("problem", error);
  }

  #connectionIs(state, code = null) {
    this.connection = state;
    this.closeCode = code;
    if (state === "waiting" || state === "stopped") this.#await(false);
    this.#emit("connection");
  }

  // -- what the server says -----------------------------------------------------------------------------

  #welcomed(frame) {
    this.store.dropStreams();
    const state = frame.conversations?.find(({ conversation }) => conversation === this.store.id);
    if (!frame.messages?.length && !this.store.seq) this.#socket.follow(this.store.id, state?.seq ?? 0);
  }

  #restore({ id, text, attachments = [] }) {
    const files = attachments.map((file) => ({ id: file, name: gettext("File") }));
    const at = new Date().toISOString();
    this.store.sending({ client_id: id, text, attachments: files, at, sender: { kind: "visitor" } });
  }

  #received(frame) {
    if (!this.#mine(frame)) return;
    const isNews = frame.seq > this.store.seq;
    this.store.add(frame);
    const isLast = frame.seq >= this.store.seq;
    if (frame.sender.kind === "visitor") return void (isNews && isLast && this.#awaitFor(frame));
    this.#typed({ sender: null });
    if (isLast) this.#await(false);
    if (isNews && !this.isShown && frame.seq > this.#readSeq) this.#setUnread(this.unread + 1);
  }

  // Asked in another tab, or just before a reload.
  #awaitFor({ at }) {
    const isFresh = Date.now() - Date.parse(at) < ANSWER_PATIENCE;
    if (isFresh && this.conversation.state === "bot") this.#await(true);
  }

  #changed(frame) {
    if (!this.#mine(frame) || frame.epoch < this.conversation.epoch) return; // a later change overtook it
    this.conversation = { ...this.conversation, agent: null, queue: null, ...frame };
    if (frame.state !== "bot") this.#await(false);
    if (frame.read) this.#wasReadTo(frame.read);
    this.#emit("conversation");
  }

  #ended(frame) {
    if (!this.#mine(frame)) return;
    this.store.end(frame);
    if (frame.reason !== "done") this.#await(false);
  }

  #typed({ conversation = this.store.id, sender }) {
    if (conversation !== this.store.id || sender?.kind === "visitor") return;
    clearTimeout(this.#timers.typist);
    if (sender) this.#timers.typist = setTimeout(() => this.#typed({ sender: null }), TYPING_LASTS);
    this.typist = sender;
    this.#emit("awaiting");
  }

  #wasRead(frame) {
    if (this.#mine(frame) && frame.sender) this.#wasReadTo({ [frame.sender.kind]: frame.seq });
  }

  /** `visitor` may have read on in another tab: what is counted as unread here follows. */
  #wasReadTo({ visitor = 0, agent = 0 }) {
    this.seenSeq = Math.max(this.seenSeq, agent);
    this.#readSeq = Math.max(this.#readSeq, visitor);
    if (this.store.seq && this.#readSeq >= this.store.seq) this.#setUnread(0);
    this.#emit("seen");
  }

  #failed({ request, ...error }) {
    if (request?.type !== "message.send") return;
    this.store.fail(request.id, error);
    this.#await(false);
  }

  // -- small things ---------------------------------------------------------------------------------------

  #ask(type, fields = {}) {
    return this.#socket.request({ type, conversation: this.store.id, ...fields });
  }

  // The store hears of the outcome through the socket's events, as it does for frames of an earlier page.
  #post(frame) {
    this.#socket.request(frame).catch(() => {});
  }

  #mine(frame) {
    return frame.conversation === this.store.id;
  }

  #await(isAwaiting) {
    clearTimeout(this.#timers.answer);
    if (isAwaiting) this.#timers.answer = setTimeout(() => this.#await(false), ANSWER_PATIENCE);
    if (this.isAwaiting === isAwaiting) return;
    this.isAwaiting = isAwaiting;
    this.#emit("awaiting");
  }

  #setUnread(count) {
    if (this.unread === count) return;
    this.unread = count;
    this.#emit("unread");
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function pause(ms) {
  return new Promise((done) => setTimeout(done, ms));
}
