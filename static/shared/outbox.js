/**
 * Frames that wait for their `ack` or `error`. The durable ones survive a lost line (and, with a storage key, a
 * reload): they are sent again under the same id, which the server answers the same way however often it comes.
 */
const KEPT = "message.send";
const KEEP_FOR = 24 * 3600 * 1000;

export class Outbox {
  #waiting = new Map(); // id -> { frame, durable, resolve, reject, since, tries }
  #key;

  constructor(storageKey) {
    this.#key = storageKey;
  }

  /** Message frames an earlier page left behind; only the first call finds any. */
  restore() {
    const frames = this.#load().filter(({ frame }) => !this.#waiting.has(frame.id)).map(({ frame }) => frame);
    for (const frame of frames) this.add(frame, true).catch(() => {});
    return frames;
  }

  add(frame, durable) {
    return new Promise((resolve, reject) => {
      this.#waiting.set(frame.id, { frame, durable, resolve, reject, since: Date.now(), tries: 0 });
      this.#save();
    });
  }

  settle(ack) {
    const row = this.#take(ack.id);
    row?.resolve(ack);
    return row?.frame;
  }

  fail(id, error) {
    const row = this.#take(id);
    row?.reject(error);
    return row?.frame;
  }

  tries(id) {
    return this.#waiting.get(id)?.tries ?? 0;
  }

  tryAgain(id) {
    const row = this.#waiting.get(id);
    if (row) row.tries += 1;
    return row?.frame;
  }

  frames() {
    return [...this.#waiting.values()].map(({ frame }) => frame);
  }

  /** Durable frames sent at least `age` ms ago on a line that still lives. */
  olderThan(age) {
    const rows = [...this.#waiting.values()].filter(({ durable, since }) => durable && Date.now() - since > age);
    return rows.map(({ frame }) => frame);
  }

  rejectPassing(error) {
    for (const [id, row] of this.#waiting) if (!row.durable) this.fail(id, error);
  }

  #take(id) {
    const row = this.#waiting.get(id);
    if (this.#waiting.delete(id)) this.#save();
    return row;
  }

  #load() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(this.#key) ?? "[]");
      return this.#key ? kept.filter(({ since }) => Date.now() - since < KEEP_FOR) : [];
    } catch {
      return [];
    }
  }

  #save() {
    if (!this.#key) return;
    const kept = [...this.#waiting.values()].filter(({ frame }) => frame.type === KEPT);
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(kept.map(({ frame, since }) => ({ frame, since }))));
    } catch {
      // storage is full or forbidden: the outbox then lives as long as the page
    }
  }
}
