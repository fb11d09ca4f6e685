/** Which conversation belongs in which tab, in which order, and how late we are. Pure: states in, answers out. */

export const TABS = ["waiting", "mine", "all"];

const LATE_AFTER = 2 * 60_000;
const VERY_LATE_AFTER = 10 * 60_000;

const BELONGS = {
  waiting: (state) => state.state === "waiting",
  mine: (state, me) => state.state === "agent" && isMine(state, me),
  all: () => true,
};

const ORDER = {
  waiting: (a, b) => time(a.waiting_since) - time(b.waiting_since),
  mine: unansweredFirst,
  all: (a, b) => isClosed(a) - isClosed(b) || activity(b) - activity(a),
};

export function inTab(states, tab, me, search = "") {
  const wanted = search.trim().toLowerCase();
  return states
    .filter((state) => BELONGS[tab](state, me) && (!wanted || haystack(state).includes(wanted)))
    .sort(ORDER[tab]);
}

export function isMine(state, me) {
  return state.agent !== null && state.agent !== undefined && String(state.agent.id) === String(me.id);
}

/** Since when a person has been expected to speak: milliseconds, or null when nobody waits for us. */
export function waitingSince(state) {
  if (state.state === "waiting") return time(state.waiting_since);
  const unanswered = state.state === "agent" && state.last?.sender.kind === "visitor";
  return unanswered ? time(state.last.at) : null;
}

/** "fresh", "late" or "very-late". */
export function lateness(since, now) {
  const waited = now - since;
  if (waited >= VERY_LATE_AFTER) return "very-late";
  return waited >= LATE_AFTER ? "late" : "fresh";
}

/**
 * Whether a change is news for this agent: "waiting" (a visitor asks for a person), "assigned" (one was given to them),
 * "passed" (a colleague handed one on), "moved" (one was taken from them), "message" (a visitor of theirs wrote), or null.
 */
export function newsIn(before, state, me, teams = []) {
  const was = before?.state;
  const wasMine = was === "agent" && isMine(before, me);
  if (wasMine && ["agent", "waiting"].includes(state.state) && !isMine(state, me)) return "moved";
  if (state.state === "waiting") return was !== "waiting" && concerns(state, me, teams) ? "waiting" : null;
  if (state.state !== "agent" || !isMine(state, me)) return null;
  if (!wasMine) return was === "agent" ? "passed" : "assigned";
  return lastSeq(state) > lastSeq(before) && state.last.sender.kind === "visitor" ? "message" : null;
}

// Who waits for a team is no call to the others.
function concerns({ team }, me, teams) {
  const members = team && teams.find(({ id }) => id === team.id)?.agents;
  return !members || members.some((id) => String(id) === String(me.id));
}

/** An answer over HTTP may be older than the frame that overtook it. */
export function isOlder(frame, known) {
  if (!known) return false;
  return frame.epoch < known.epoch || (frame.epoch === known.epoch && frame.seq < known.seq);
}

export const lastSeq = (state) => state.last?.seq ?? 0;

export function totalUnread(states, me) {
  return inTab(states, "mine", me).reduce((sum, state) => sum + (state.unread || 0), 0);
}

function unansweredFirst(a, b) {
  const [waitA, waitB] = [waitingSince(a), waitingSince(b)];
  if (waitA !== null && waitB !== null) return waitA - waitB;
  if (waitA !== null || waitB !== null) return waitA !== null ? -1 : 1;
  return activity(b) - activity(a);
}

function haystack(state) {
  const parts = [state.visitor?.name, state.last?.text, state.reason, state.agent?.name, state.visitor?.page?.title];
  return parts.filter(Boolean).join("\n").toLowerCase();
}

const isClosed = (state) => Number(state.state === "closed");
const activity = (state) => time(state.last?.at ?? state.waiting_since);
const time = (iso) => (iso ? Date.parse(iso) : 0);
