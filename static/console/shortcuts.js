/** The keyboard as a table; the help dialog shows the same rows. Codes, not letters: Alt+J types "∆" on a Mac. */

export const SHORTCUTS = [
  { keys: ["Alt", "J"], code: "KeyJ", verb: "next", label: () => gettext("Next conversation") },
  { keys: ["Alt", "K"], code: "KeyK", verb: "previous", label: () => gettext("Previous conversation") },
  { keys: ["Alt", "T"], code: "KeyT", verb: "takeOver", label: () => gettext("Take over") },
  { keys: ["Alt", "B"], code: "KeyB", verb: "handBack", label: () => gettext("Hand back to the AI") },
  { keys: ["Alt", "E"], code: "KeyE", verb: "close", label: () => gettext("Close the conversation") },
  { keys: ["Alt", "L"], code: "KeyL", verb: "reply", label: () => gettext("Write a reply") },
  { keys: ["Alt", "A"], code: "KeyA", verb: "attach", label: () => gettext("Add files") },
  { keys: ["Alt", "P"], code: "KeyP", verb: "note", label: () => gettext("Write a note") },
];

/** Keys that work only where they mean something; listed for people, handled where they belong. */
export const LOCAL_KEYS = [
  { keys: ["Enter"], label: () => gettext("Send") },
  { keys: ["Shift", "Enter"], label: () => gettext("New line") },
  { keys: ["/"], label: () => gettext("Canned replies (at the start of a reply)") },
  { keys: ["?"], label: () => gettext("This list") },
  { keys: ["Esc"], label: () => gettext("Close what is open, or go back") },
];

/** Calls `verbs[name]()` for each shortcut pressed anywhere in the page. */
export function listenForShortcuts(verbs) {
  document.addEventListener("keydown", (event) => {
    const verb = verbOf(event);
    if (!verb || document.querySelector("dialog[open]")) return;
    event.preventDefault();
    verbs[verb]();
  });
}

function verbOf(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey) return null;
  if (event.altKey) return SHORTCUTS.find((row) => row.code === event.code)?.verb ?? null;
  if (isWriting(event.target)) return null;
  return { "?": "help", Escape: "back" }[event.key] ?? null;
}

const isWriting = (target) => target.matches?.("input, textarea, select, [contenteditable]") ?? false;
