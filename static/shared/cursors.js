/** How far each followed conversation has been seen without a hole, and what was seen beyond it. */
export class Cursors {
  #rows = new Map(); // conversation -> { seq, target, beyond }

  follow(conversation, seq) {
    const row = this.#rows.get(conversation) ?? { seq, target: seq, beyond: new Set() };
    row.seq = Math.max(row.seq, seq);
    row.target = Math.max(row.target, row.seq);
    this.#rows.set(conversation, row);
    advance(row);
  }

  forget(conversation) {
    this.#rows.delete(conversation);
  }

  follows(conversation) {
    return this.#rows.has(conversation);
  }

  at(conversation) {
    return this.#rows.get(conversation)?.seq ?? 0;
  }

  all() {
    return Object.fromEntries([...this.#rows].map(([conversation, row]) => [conversation, row.seq]));
  }

  /** Notes one message; false when one before it is missing. */
  saw(conversation, seq) {
    const row = this.#rows.get(conversation);
    if (!row) return true;
    if (seq > row.seq) row.beyond.add(seq);
    row.target = Math.max(row.target, seq);
    advance(row);
    return row.seq >= row.target;
  }

  /** The server says the conversation has come to `seq`; true when that is more than was seen. */
  isBehind(conversation, seq) {
    const row = this.#rows.get(conversation);
    if (!row || !seq) return false;
    row.target = Math.max(row.target, seq);
    return row.seq < row.target;
  }

  hasHole(conversation) {
    const row = this.#rows.get(conversation);
    return Boolean(row) && row.seq < row.target;
  }
}

function advance(row) {
  while (row.beyond.delete(row.seq + 1)) row.seq += 1;
  for (const seq of row.beyond) if (seq <= row.seq) row.beyond.delete(seq);
}
