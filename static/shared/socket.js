/**
 * The reconnecting line to Kefu, for visitors and agents alike (wire protocol 1). No dependency on the page.
 *
 *   const socket = new KefuSocket({
 *     url: "/ws/v1/agent",                        // path or absolute address
 *     hello: async () => ({ token }),             // fields of `hello` beside `after`; default: none
 *     history: async (conversation, after) => ({ messages, more }),   // the HTTP history, one page
 *     onUnauthorised: async () => true,           // close code 4001: get new credentials; true means "try again"
 *     storageKey: "kefu.outbox",                  // optional: unacknowledged messages outlive a reload
 *   });
 *   socket.connect();    socket.close();          // close() is for good; connect() may follow
 *   socket.state                                  // idle | connecting | online | waiting | stopped
 *
 *   await socket.request({ type: "message.send", conversation, text });
 *       Adds an `id` unless there is one (`socket.newId()` makes one ahead); resolves with the `ack`, rejects with
 *       FrameError {code, message, temporary, retryAfter}. What must not be lost (DURABLE below) waits in the outbox
 *       and is sent again with the same id until it is answered; anything else is rejected with code "offline" when
 *       the line is down.
 *   socket.send({ type: "typing", conversation });     // no answer wanted; dropped while the line is down
 *   await socket.subscribe({ list: "mine" });      // or { conversation }; repeated by itself after a reconnect
 *   await socket.unsubscribe({ conversation });
 *
 *   socket.follow(conversation, seq);   // "I have everything up to seq": from here on holes are seen and filled
 *   socket.unfollow(conversation);      // (subscribe, load the history, then follow; a store drops the doubles)
 *
 * Events, all CustomEvent:
 *   one named after each frame received, detail = the frame: "welcome", "message", "ack", "error", "conversation",
 *     "answer.start", "answer.delta", "answer.end", "typing", "read", "presence", "note", ...
 *     The messages inside `welcome`, a resync or the HTTP history arrive as "message" events too, in order;
 *     the states inside `welcome` as "conversation" events.
 *   "state", detail = { state, code, retryIn }      code: the close code behind it; retryIn: milliseconds or null
 *   "restored", detail = { frames }                 message frames found in the outbox of an earlier page
 */
import { Cursors } from "./cursors.js";
import { Outbox } from "./outbox.js";

const DURABLE = new Set(["message.send", "note", "feedback", "rate", "agent.request", "conversation.end"]);
const FINAL = new Set([4003, 4009, 4090]); // origin not allowed, signed in elsewhere, tenant suspended
const CROWDED = new Set([1001, 1012, 4008, 4029]); // everybody comes back at once unless the first try is spread too

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
const SPREAD = 3_000;
const WELCOME_WITHIN = 15_000;
const ANSWER_WITHIN = 10_000;
const PROBE_WITHIN = 5_000;
const HOLE_PATIENCE = 300; // a message may overtake the ack of the one before it
const TEMPORARY_TRIES = 3;
const LONGEST_PAUSE = 10_000;

export class FrameError extends Error {
  constructor({ code, message = "", temporary = false, retry_after: retryAfter = null }) {
    super(message);
    Object.assign(this, { name: "FrameError", code, temporary, retryAfter });
  }
}

export class KefuSocket extends EventTarget {
  #options;
  #line = null;
  #attempt = 0;
  #refusals = 0;
  #timers = {};
  #outbox;
  #cursors = new Cursors();
  #subscriptions = new Map();
  #unheard = false;

  state = "idle";

  constructor(options) {
    super();
    this.#options = { hello: () => ({}), history: null, onUnauthorised: null, storageKey: null, ...options };
    this.#outbox = new Outbox(this.#options.storageKey);
  }

  // -- the caller's side ------------------------------------------------------------------------

  connect() {
    if (this.#line) return;
    if (this.state === "idle") this.#watchPage(true);
    const restored = this.#outbox.restore();
    if (restored.length) this.#emit("restored", { frames: restored });
    this.#open();
  }

  close() {
    this.#watchPage(false);
    this.#drop();
    this.#setState("idle");
  }

  newId() {
    const bytes = crypto.getRandomValues(new Uint8Array(12)); // randomUUID is missing on plain http
    return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  }

  send(frame) {
    if (this.state === "online") this.#write(frame);
  }

  request(frame) {
    const whole = { ...frame, id: frame.id ?? this.newId() };
    const durable = DURABLE.has(whole.type);
    if (!durable && this.state !== "online") return Promise.reject(offline());
    const answer = this.#outbox.add(whole, durable);
    if (this.state === "online") this.#write(whole);
    return answer;
  }

  subscribe(fields) {
    this.#subscriptions.set(JSON.stringify(fields), fields);
    return this.state === "online" ? this.#subscribe(fields) : Promise.resolve(null);
  }

  unsubscribe(fields) {
    this.#subscriptions.delete(JSON.stringify(fields));
    if (fields.conversation) this.unfollow(fields.conversation);
    if (this.state !== "online") return Promise.resolve(null);
    return this.request({ type: "unsubscribe", ...fields });
  }

  follow(conversation, seq) {
    this.#cursors.follow(conversation, seq);
    if (this.#cursors.hasHole(conversation)) this.#fillSoon(conversation);
  }

  unfollow(conversation) {
    this.#cursors.forget(conversation);
  }

  // -- the life of the line ---------------------------------------------------------------------

  #open() {
    this.#stopTimers();
    this.#setState("connecting");
    const address = new URL(this.#options.url, location.href);
    address.protocol = address.protocol.replace("http", "ws");
    const line = new WebSocket(address);
    this.#line = line;
    line.onopen = () => this.#greet(line);
    line.onmessage = (event) => line === this.#line && this.#read(event.data);
    line.onclose = (event) => line === this.#line && this.#lost(event.code);
  }

  async #greet(line) {
    try {
      const fields = await this.#options.hello();
      if (line !== this.#line) return;
      this.#write({ type: "hello", ...fields, after: this.#cursors.all() });
      this.#timers.welcome = setTimeout(() => this.#lost(1006), WELCOME_WITHIN);
    } catch {
      line.close(); // no credentials at hand: come back later like after any other loss
    }
  }

  #drop() {
    const line = this.#line;
    this.#line = null;
    this.#stopTimers();
    this.#outbox.rejectPassing(offline());
    line?.close();
  }

  async #lost(code) {
    this.#drop();
    if (FINAL.has(code)) return this.#setState("stopped", { code });
    if (code === 4001) return this.#refused();
    return this.#comeBack(code);
  }

  async #refused() {
    this.#refusals += 1;
    this.#setState("connecting", { code: 4001 });
    const again = await this.#options.onUnauthorised?.().catch(() => true);
    if (!again) return this.#setState("stopped", { code: 4001 });
    return this.#refusals > 1 ? this.#comeBack(4001) : this.#open();
  }

  #comeBack(code) {
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** this.#attempt);
    const spread = CROWDED.has(code) && this.#attempt === 0 ? Math.random() * SPREAD : 0;
    const retryIn = ceiling * (0.5 + Math.random() / 2) + spread;
    this.#attempt += 1;
    this.#timers.retry = setTimeout(() => this.#open(), retryIn);
    this.#setState("waiting", { code, retryIn });
  }

  #setState(state, { code = null, retryIn = null } = {}) {
    this.state = state;
    this.#emit("state", { state, code, retryIn });
  }

  #stopTimers() {
    for (const timer of Object.values(this.#timers)) clearTimeout(timer);
    this.#timers = {};
  }

  // navigator.onLine is wrong on machines without a route to the internet, so its events are hints, never a verdict.
  #watchPage(on) {
    const verb = on ? "addEventListener" : "removeEventListener";
    window[verb]("online", this.#hint);
    window[verb]("offline", this.#hint);
    document[verb]("visibilitychange", this.#hint);
  }

  #hint = () => {
    if (document.hidden) return;
    if (this.state === "waiting") this.#open();
    else if (this.state === "online") this.#probe(PROBE_WITHIN);
  };

  // -- heartbeat ----------------------------------------------------------------------------------

  #beat(interval) {
    clearTimeout(this.#timers.beat);
    this.#timers.beat = setTimeout(() => {
      this.#probe(Math.min(interval, ANSWER_WITHIN));
      this.#repeatUnanswered();
      this.#beat(interval);
    }, interval);
  }

  #probe(within) {
    this.#unheard = true;
    this.#write({ type: "ping" });
    clearTimeout(this.#timers.probe);
    this.#timers.probe = setTimeout(() => this.#unheard && this.#lost(1006), within);
  }

  #repeatUnanswered() {
    for (const frame of this.#outbox.olderThan(ANSWER_WITHIN)) this.#write(frame);
  }

  // -- frames ---------------------------------------------------------------------------------------

  #write(frame) {
    if (this.#line?.readyState === WebSocket.OPEN) this.#line.send(JSON.stringify(frame));
  }

  #read(data) {
    this.#unheard = false;
    const frame = JSON.parse(data);
    const act = {
      welcome: this.#welcome,
      ack: this.#ack,
      error: this.#error,
      message: this.#message,
      resync_required: this.#fetchHistory,
    }[frame.type];
    if (act) act.call(this, frame);
    else this.#emit(frame.type, frame);
  }

  #welcome(frame) {
    clearTimeout(this.#timers.welcome);
    this.#attempt = 0;
    this.#refusals = 0;
    this.#setState("online");
    this.#emit("welcome", frame);
    for (const state of frame.conversations ?? []) this.#emit("conversation", { type: "conversation", ...state });
    this.#begin(frame.messages ?? []);
    for (const message of frame.messages ?? []) this.#message(message);
    for (const state of frame.conversations ?? []) {
      if (this.#cursors.isBehind(state.conversation, state.seq)) this.#fillSoon(state.conversation);
    }
    for (const fields of this.#subscriptions.values()) this.#subscribe(fields).catch(() => {});
    for (const waiting of this.#outbox.frames()) this.#write(waiting);
    this.#beat((frame.heartbeat || 30) * 1000);
  }

  // The first welcome may hold only the last messages of a long conversation: those before are no hole.
  #begin(messages) {
    for (const { conversation, seq } of messages) {
      if (!this.#cursors.follows(conversation)) this.#cursors.follow(conversation, seq - 1);
    }
  }

  #ack(frame) {
    const request = this.#outbox.settle(frame);
    if (request?.type === "message.send") this.#saw(frame.conversation ?? request.conversation, frame.seq);
    this.#emit("ack", { ...frame, request });
    for (const message of frame.messages ?? []) this.#message(message);
  }

  #error(frame) {
    const pause = (frame.retry_after ?? 2) * 1000;
    if (frame.temporary && pause <= LONGEST_PAUSE && this.#outbox.tries(frame.id) < TEMPORARY_TRIES) {
      const again = this.#outbox.tryAgain(frame.id);
      if (again) return void setTimeout(() => this.#write(again), pause);
    }
    const request = this.#outbox.fail(frame.id, new FrameError(frame));
    return this.#emit("error", { ...frame, request });
  }

  #message(frame) {
    this.#saw(frame.conversation, frame.seq);
    this.#emit("message", frame);
  }

  #saw(conversation, seq) {
    if (seq && !this.#cursors.saw(conversation, seq)) this.#fillSoon(conversation);
  }

  // -- holes ------------------------------------------------------------------------------------------

  #fillSoon(conversation) {
    const name = `hole ${conversation}`;
    this.#timers[name] ??= setTimeout(() => {
      delete this.#timers[name];
      if (this.#cursors.hasHole(conversation)) this.#resync(conversation);
    }, HOLE_PATIENCE);
  }

  #resync(conversation) {
    const after = this.#cursors.at(conversation);
    this.request({ type: "resync", conversation, after }).catch(() => {});
  }

  async #fetchHistory({ conversation }) {
    if (!this.#options.history) return;
    try {
      let page = { more: true };
      while (page.more) {
        page = await this.#options.history(conversation, this.#cursors.at(conversation));
        for (const message of page.messages) this.#message(message);
        if (!page.messages.length) break;
      }
    } catch {
      this.#timers.history = setTimeout(() => this.#fetchHistory({ conversation }), ANSWER_WITHIN);
    }
  }

  async #subscribe(fields) {
    const ack = await this.request({ type: "subscribe", ...fields });
    if (this.#cursors.follows(fields.conversation)) this.#resync(fields.conversation);
    return ack;
  }

  #emit(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }
}

function offline() {
  return new FrameError({ code: "offline", message: "", temporary: true });
}
