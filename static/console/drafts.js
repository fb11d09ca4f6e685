/** Half-written replies and notes, per conversation; they outlive a reload of the tab, not the tab. */

const key = (conversation, mode) => `kefu.console.draft.${mode}.${conversation}`;

export function readDraft(conversation, mode) {
  return sessionStorage.getItem(key(conversation, mode)) ?? "";
}

export function keepDraft(conversation, mode, text) {
  if (text) sessionStorage.setItem(key(conversation, mode), text);
  else sessionStorage.removeItem(key(conversation, mode));
}
