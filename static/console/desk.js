import { inTab, isMine, isOlder, lastSeq, newsIn } from "./inbox.js";
import { Thread } from "./thread.js";

const LISTS = ["mine", "waiting"];

/**
 * What the agent has in front of them: every conversation known, the one that is open, colleagues, canned replies.
 * Turns frames into state and says what changed; elements draw it, `Verbs` changes it.
 *
 * Events: "list" (a conversation was filed), "open" (another conversation, or none, is open), "presence", "connection",
 * "problem" (detail: a sentence), "news" (detail: {kind, state}; kinds: see `newsIn`).
 */
export class Desk extends EventTarget {
  #states = new Map();
  #threads = new Map();
  #clockAhead = 0;
  #listsRead = new Set();
  #letGo = new Set();

  current = null;
  presence = "away";
  colleagues = [];
  teams = [];
  limit = null;
  cannedReplies = [];
  connection = { state: "idle", code: null, retryIn: null };

  constructor({ socket, api, me, assigns, uploads }) {
    super();
    Object.assign(this, { socket, api, me, assigns, uploads });
    this.#listen();
  }

  async start() {
    this.socket.connect();
    for (const list of LISTS) this.socket.subscribe({ list }).catch(() => {});
    try {
      this.cannedReplies = await this.api.cannedReplies();
      await this.readColleagues();
    } catch {
      this.say(gettext("Colleagues and canned replies could not be read. Reload the page to try again."));
    }
  }

  async readColleagues() {
    const { agents, teams } = await this.api.agents();
    const isMe = ({ id }) => String(id) === String(this.me.id);
    this.colleagues = agents.filter((agent) => !isMe(agent));
    this.limit = agents.find(isMe)?.limit ?? null;
    this.teams = teams;
    this.#say("presence");
  }

  // -- reading ------------------------------------------------------------------------------------

  states = () => [...this.#states.values()];
  state = (id) => this.#states.get(id);
  thread = (id) => this.#threads.get(id);
  now = () => Date.now() + this.#clockAhead;
  isMine = (state) => isMine(state, this.me);
  load = () => inTab(this.states(), "mine", this.me).length;
  hasRead = (list) => this.#listsRead.has(list);

  // -- opening ------------------------------------------------------------------------------------

  /** Opens a conversation (or none, with null) and reads its thread. */
  async open(id) {
    if (id === this.current) return;
    const left = this.current;
    this.current = id;
    const thread = id && this.#threadFor(id);
    if (left) this.#leave(left);
    this.#say("open");
    if (thread) await this.#fillThread(thread);
  }

  retryOpen() {
    const id = this.current;
    this.#threads.delete(id);
    this.current = null;
    return this.open(id);
  }

  /** Tells the visitor (and the badge) that the open conversation has been seen. */
  markRead() {
    const state = this.#states.get(this.current);
    if (!state || document.hidden) return;
    if (!state.unread) return;
    this.#states.set(state.conversation, { ...state, unread: 0 });
    if (this.isMine(state)) this.#sendRead(state.conversation, lastSeq(state));
    this.#say("list");
  }

  #sendRead(conversation, seq) {
    const thread = this.#threads.get(conversation);
    if (!thread || seq <= thread.agentRead) return;
    thread.agentRead = seq;
    this.socket.send({ type: "read", conversation, seq });
  }

  async watchAll(isWatching) {
    const wish = isWatching ? "subscribe" : "unsubscribe";
    await this.socket[wish]({ list: "all" }).catch(() => {});
  }

  // -- frames -------------------------------------------------------------------------------------

  #listen() {
    const frames = {
      state: (change) => this.#connectionChanged(change),
      welcome: (frame) => this.#welcomed(frame),
      conversation: (frame) => this.file(frame),
      "conversation.gone": (frame) => this.#forget(frame.conversation),
      message: (frame) => this.#message(frame),
      note: (frame) => this.#threads.get(frame.conversation)?.addNote(frame),
      typing: (frame) => this.#typing(frame),
      read: (frame) => this.#read(frame),
      presence: (frame) => (frame.visitor ? this.#visitorIs(frame) : this.notePresence(frame.agent)),
      ack: (frame) => this.#acknowledged(frame),
      error: (frame) => this.#storeOf(frame.request)?.fail(frame.id, frame),
      restored: ({ frames }) => frames.forEach((frame) => this.#restored(frame)),
      "answer.start": (frame) => this.#threads.get(frame.conversation)?.store.start(frame),
      "answer.delta": (frame) => this.#threads.get(frame.conversation)?.store.delta(frame),
      "answer.end": (frame) => this.#threads.get(frame.conversation)?.store.end(frame),
    };
    for (const [name, act] of Object.entries(frames)) this.socket.addEventListener(name, ({ detail }) => act(detail));
    document.addEventListener("visibilitychange", () => this.markRead());
  }

  #connectionChanged(change) {
    this.connection = change;
    if (change.state !== "online") for (const thread of this.#threads.values()) thread.lost();
    this.#say("connection");
  }

  #welcomed({ server_time: serverTime, agent }) {
    if (serverTime) this.#clockAhead = Date.parse(serverTime) - Date.now();
    if (agent) this.notePresence(agent);
  }

  #message(frame) {
    const thread = this.#threads.get(frame.conversation);
    thread?.store.add(frame);
    if (thread?.typing?.kind === frame.sender.kind) thread.stoppedTyping();
    const state = this.#states.get(frame.conversation);
    if (!state || frame.seq <= lastSeq(state)) return;
    const { seq, text, at, sender } = frame;
    const files = frame.attachments.length;
    const unread = (state.unread ?? 0) + Number(sender.kind === "visitor");
    this.file({ conversation: frame.conversation, seq, unread, last: { seq, text, files, at, sender } });
  }

  // Its visitor was erased: nothing of it may stay on any screen.
  #forget(id) {
    this.#states.delete(id);
    this.#threads.delete(id);
    this.socket.unsubscribe({ conversation: id }).catch(() => {});
    if (id === this.current) {
      this.current = null;
      this.#say("open");
    }
    this.#say("list");
  }

  #typing(frame) {
    const isOwn = frame.sender.kind === "agent" && String(frame.sender.id) === String(this.me.id);
    if (!isOwn) this.#threads.get(frame.conversation)?.heardTyping(frame);
  }

  #read({ conversation, seq, sender }) {
    if (sender.kind === "visitor") this.#threads.get(conversation)?.readTo(seq);
  }

  #visitorIs({ conversation, visitor }) {
    this.#threads.get(conversation)?.visitorIs(visitor.online);
  }

  /** Whether somebody, the agent included, can be called: {id, presence}. */
  notePresence(agent) {
    if (String(agent.id) === String(this.me.id)) this.presence = agent.presence;
    const colleague = this.colleagues.find(({ id }) => String(id) === String(agent.id));
    if (colleague) colleague.presence = agent.presence;
    this.#say("presence");
  }

  #acknowledged(frame) {
    const { request } = frame;
    this.#storeOf(request)?.acknowledge(frame);
    if (request?.type === "subscribe" && request.list) this.#readList(request.list);
  }

  // A reload finds messages that never got their answer: they are on their way again.
  #restored({ id, conversation, text, attachments = [] }) {
    const sender = { kind: "agent", ...this.me };
    const files = attachments.map((file) => ({ id: file, name: gettext("File") }));
    const at = new Date().toISOString();
    this.#threadFor(conversation).store.sending({ client_id: id, text, attachments: files, sender, at });
  }

  #storeOf(request) {
    return request?.type === "message.send" ? this.#threads.get(request.conversation)?.store : undefined;
  }

  // -- filing -------------------------------------------------------------------------------------

  /** Takes what the server says of a conversation; says so when that is news for a person. */
  file(frame) {
    const before = this.#states.get(frame.conversation);
    if (isOlder(frame, before)) return;
    const state = { unread: 0, last: null, agent: null, ...before, ...frame };
    this.#states.set(state.conversation, state);
    this.#threads.get(state.conversation)?.readTo(state.read?.visitor ?? 0);
    this.#followMine(state);
    const kind = this.#listsRead.size >= LISTS.length && newsIn(before, state, this.me, this.teams);
    const isOwnDoing = kind === "moved" && this.#letGo.delete(state.conversation);
    if (kind && !isOwnDoing) this.#say("news", { kind, state });
    if (state.conversation === this.current) this.markRead();
    this.#say("list");
  }

  /** The agent gives a conversation away: that it leaves them will be no news. */
  letGo(conversation, isSo = true) {
    if (isSo) this.#letGo.add(conversation);
    else this.#letGo.delete(conversation);
  }

  // Read once the subscription stands, so that nothing falls between the list and the frames that change it.
  async #readList(list) {
    try {
      const states = await this.api.conversations(list);
      for (const state of states) this.file(state);
      this.#listsRead.add(list);
      await this.#refreshMissing(list, new Set(states.map(({ conversation }) => conversation)));
    } catch {
      this.say(gettext("The list of conversations could not be read. Reload the page to try again."));
    }
    this.#say("list");
  }

  // What left a list while the line was down is asked for one by one.
  async #refreshMissing(list, present) {
    if (list === "all") return;
    const gone = inTab(this.states(), list, this.me).filter(({ conversation }) => !present.has(conversation));
    for (const { conversation } of gone) this.file(await this.api.conversation(conversation));
  }

  // -- threads ------------------------------------------------------------------------------------

  #threadFor(id) {
    if (!this.#threads.has(id)) this.#threads.set(id, new Thread(id, this.api));
    return this.#threads.get(id);
  }

  async #fillThread(thread) {
    if (thread.status !== "new") return this.markRead();
    thread.begin();
    try {
      if (!this.#states.has(thread.id)) this.file(await this.api.conversation(thread.id));
      await this.#readThread(thread, this.#states.get(thread.id));
    } catch {
      thread.fail();
    }
    return this.markRead();
  }

  async #readThread(thread, { conversation, seq, read }) {
    await this.socket.subscribe({ conversation }).catch(() => {});
    this.socket.follow(conversation, await thread.load(seq ?? 0));
    thread.readTo(read?.visitor ?? 0);
  }

  // My conversations are heard even while another is open.
  #followMine(state) {
    if (state.state === "agent" && this.isMine(state)) this.#fillThread(this.#threadFor(state.conversation));
  }

  #leave(id) {
    const state = this.#states.get(id);
    if (state?.state === "agent" && this.isMine(state)) return;
    this.#threads.delete(id);
    this.socket.unsubscribe({ conversation: id }).catch(() => {});
  }

  // -----------------------------------------------------------------------------------------------

  say(problem) {
    this.#say("problem", problem);
  }

  #say(name, detail = null) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}
