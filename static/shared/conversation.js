/**
 * One conversation as a page shows it: committed messages by `seq`, each once; answers still streaming; own messages
 * still on their way. Knows nothing of sockets or elements.
 *
 *   const store = new ConversationStore(id);
 *   store.add(messageFrame);            store.seq      // highest seq with no hole before it (from the first one held)
 *   store.sending({ client_id, text, sender, at });    // shown at once, grey
 *   store.acknowledge(ackFrame);        store.fail(client_id, error);      store.discard(client_id);
 *   store.start(f); store.delta(f); store.end(f);      // answer.start / answer.delta / answer.end
 *   store.dropStreams();                // after a reconnect: what still runs makes itself known again
 *   store.items()                       // in the order to be shown
 *
 * An item has a `key` that stays the same from "sending" or streaming to committed, so that one element lives through
 * it, and a `status`: "sent", "sending", "failed", "streaming", or "ended" (a stream whose message is not here yet).
 *
 * Events: "change", detail = { item, isNew }; "remove", detail = { item }.
 */
export class ConversationStore extends EventTarget {
  #items = new Map(); // key -> item
  #keys = new Map(); // seq -> key
  #arrivals = 0;

  constructor(id) {
    super();
    this.id = id;
  }

  get seq() {
    const all = [...this.#keys.keys()].sort((a, b) => a - b);
    const hole = all.findIndex((seq, index) => index > 0 && seq !== all[index - 1] + 1);
    return (hole < 0 ? all.at(-1) : all[hole - 1]) ?? 0;
  }

  get first() {
    return this.#keys.size ? Math.min(...this.#keys.keys()) : 0;
  }

  /** The answer being streamed, until its message takes its place. */
  get stream() {
    return [...this.#items.values()].findLast(isUncommittedAnswer);
  }

  get(key) {
    return this.#items.get(key);
  }

  items() {
    return [...this.#items.values()].sort((a, b) => place(a) - place(b) || a.order - b.order);
  }

  last(kind) {
    return this.items().findLast((item) => item.seq && (!kind || item.sender.kind === kind));
  }

  add(message) {
    const key = this.#keys.get(message.seq) ?? this.#keyFor(message);
    this.#keys.set(message.seq, key);
    this.#put(key, { ...this.#items.get(key), ...message, key, status: "sent", error: null });
  }

  sending(message) {
    this.#put(`own ${message.client_id}`, { ...message, status: "sending", error: null });
  }

  acknowledge({ id, seq, message, at }) {
    const item = this.#items.get(`own ${id}`);
    if (!item || item.seq) return;
    this.#keys.set(seq, item.key);
    this.#put(item.key, { ...item, seq, message, at: at ?? item.at, status: "sent", error: null });
  }

  fail(clientId, error) {
    const item = this.#items.get(`own ${clientId}`);
    if (item && !item.seq) this.#put(item.key, { ...item, status: "failed", error, after: this.seq });
  }

  discard(clientId) {
    this.#remove(`own ${clientId}`);
  }

  start({ stream, sender = { kind: "bot" }, at }) {
    const key = `stream ${stream}`;
    if (this.#items.has(key)) return;
    this.#put(key, { stream, sender, at: at ?? null, ai: true, parts: [], text: "", status: "streaming", ended: null });
  }

  delta(frame) {
    this.start(frame);
    const item = this.#items.get(`stream ${frame.stream}`);
    if (item.status !== "streaming") return;
    item.parts[frame.n] = frame.text;
    this.#put(item.key, { ...item, text: unbroken(item.parts) });
  }

  /** A finished stream waits for its message; one that a person cut short, or that has nothing to show, goes away. */
  end({ stream, reason }) {
    const item = this.#items.get(`stream ${stream}`);
    if (!item || item.status !== "streaming") return;
    if (reason === "taken_over" || (reason !== "done" && !item.text)) this.#remove(item.key);
    else this.#put(item.key, { ...item, status: "ended", ended: reason, after: this.seq });
  }

  dropStreams() {
    for (const item of [...this.#items.values()].filter(isUncommittedAnswer)) this.#remove(item.key);
  }

  #keyFor({ seq, stream, client_id: clientId }) {
    const candidates = [clientId && `own ${clientId}`, stream && `stream ${stream}`];
    return candidates.find((key) => key && !this.#items.get(key)?.seq) ?? `message ${seq}`;
  }

  #put(key, item) {
    const before = this.#items.get(key);
    const whole = { ...item, key, order: before?.order ?? this.#arrivals++ };
    this.#items.set(key, whole);
    this.dispatchEvent(new CustomEvent("change", { detail: { item: whole, isNew: !before } }));
  }

  #remove(key) {
    const item = this.#items.get(key);
    if (this.#items.delete(key)) this.dispatchEvent(new CustomEvent("remove", { detail: { item } }));
  }
}

function isUncommittedAnswer(item) {
  return item.stream && !item.seq;
}

// What has no seq yet comes after everything that has one; what never will have one stays where it ended.
function place(item) {
  return item.seq ?? (item.after === undefined ? Infinity : item.after + 0.5);
}

// Deltas may be lost: text behind a lost one would read wrong, so it waits for the committed message.
function unbroken(parts) {
  const hole = parts.findIndex((part) => part === undefined);
  return (hole < 0 ? parts : parts.slice(0, hole)).join("");
}
