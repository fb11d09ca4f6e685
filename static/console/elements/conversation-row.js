import { clock, day, fill, isSameDay, moment } from "../../shared/format.js";
import { element } from "../dom.js";
import { isMine } from "../inbox.js";
import { avatar, lastText, senderName, stateLabel, team, visitorName } from "../labels.js";
import { waitBadge } from "../wait.js";

/** One conversation in the list: who, since when, what was said last, who looks after it. */
export class ConversationRow extends HTMLElement {
  #wait = null;
  #shown = null;
  #isOpen = false;

  constructor() {
    super();
    this.link = element("a", {});
    this.append(this.link);
  }

  connectedCallback() {
    this.setAttribute("role", "listitem");
  }

  show(state, { me, now, isOpen }) {
    if (state === this.#shown && isOpen === this.#isOpen) return;
    this.#shown = state;
    this.#isOpen = isOpen;
    this.#wait = waitBadge(state, now);
    this.dataset.state = state.state;
    this.link.href = `#${state.conversation}`;
    this.link.setAttribute("aria-current", String(isOpen));
    this.link.replaceChildren(
      avatar(visitorName(state), state.visitor?.id),
      element("strong", { class: "name" }, visitorName(state)),
      this.#wait ?? lastTime(state),
      element("span", { class: "last" }, lastWords(state, me)),
      unreadBadge(isOpen || !concernsMe(state, me) ? 0 : state.unread),
      standing(state, me),
    );
  }

  tick(now) {
    this.#wait?.tick(now);
  }
}

// What the AI or a colleague talks about needs nobody else's eye.
function concernsMe(state, me) {
  return state.state === "waiting" || (state.state === "agent" && isMine(state, me));
}

function lastTime({ last }) {
  if (!last) return element("span");
  const text = isSameDay(last.at, Date.now()) ? clock(last.at) : day(last.at);
  return element("time", { datetime: last.at, title: moment(last.at) }, text);
}

function lastWords({ last, reason }, me) {
  if (!last) return reason || gettext("No message yet");
  const { kind, id } = last.sender;
  if (kind === "visitor" || kind === "system") return lastText(last);
  const who = kind === "agent" && String(id) === String(me.id) ? gettext("You") : senderName(last.sender);
  return fill(gettext("%(who)s: %(text)s"), { who, text: lastText(last) });
}

function standing(state, me) {
  const reason = state.state === "waiting" && state.last && state.reason;
  const pill = element("small", { class: "pill" }, stateLabel(state, me));
  return element("span", { class: "standing" }, pill, team(state), reason && element("small", { class: "reason-line" }, reason));
}

function unreadBadge(count) {
  if (!count) return element("span");
  const label = ngettext("%(n)s unread message", "%(n)s unread messages", count);
  return element("b", { class: "badge", "aria-label": fill(label, { n: count }) }, count > 99 ? "99+" : count);
}

customElements.define("conversation-row", ConversationRow);
