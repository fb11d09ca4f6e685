import { element } from "./dom.js";
import { lateness, waitingSince } from "./inbox.js";

/** "0:42", "12:05", "1:03:20" */
export function stopwatch(milliseconds) {
  const seconds = Math.max(0, Math.floor(milliseconds / 1000));
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60];
  const tail = String(seconds % 60).padStart(2, "0");
  return hours ? `${hours}:${String(minutes).padStart(2, "0")}:${tail}` : `${minutes}:${tail}`;
}

/** A running <time> for a conversation in which somebody waits for us, else null. Call its `tick(now)`. */
export function waitBadge(state, now) {
  const since = waitingSince(state);
  if (since === null) return null;
  const badge = element("time", { class: "wait", title: gettext("Waiting for an answer") });
  badge.tick = (at) => {
    badge.textContent = stopwatch(at - since);
    badge.dataset.lateness = lateness(since, at);
  };
  badge.tick(now);
  return badge;
}
