import { button, element, icon, iconButton } from "../dom.js";
import { stateLabel, team, visitorName } from "../labels.js";
import { waitBadge } from "../wait.js";

/** The verbs of a conversation: which state offers which. `mine`: only to the agent who has it. */
const VERBS = [
  { verb: "takeOver", icon: "take", states: ["bot", "waiting"], look: "primary", label: () => gettext("Take over") },
  { verb: "handBack", icon: "bot", states: ["agent"], mine: true, look: "plain", label: () => gettext("Hand back") },
  { verb: "transfer", icon: "pass", states: ["agent"], mine: true, look: "plain", label: () => gettext("Transfer") },
  { verb: "close", icon: "done", states: ["agent"], mine: true, look: "plain", label: () => gettext("Close") },
];

export function offers(verb, state, desk) {
  const row = VERBS.find((candidate) => candidate.verb === verb);
  return row.states.includes(state?.state) && (!row.mine || desk.isMine(state));
}

/** Who this is about, how it stands, and what can be done. */
export class ThreadHeader extends HTMLElement {
  #wait = null;

  constructor(desk, acts) {
    super();
    this.desk = desk;
    this.acts = acts;
    this.back = iconButton("back", gettext("Back to the list"), "back", () => acts.back());
    this.who = element("div", { class: "who" });
    this.verbs = element("div", { class: "verbs", role: "toolbar", "aria-label": gettext("Conversation") });
    this.card = iconButton("person", gettext("About the visitor"), "card-switch", () => acts.card());
    this.append(this.back, this.who, this.verbs, this.card);
    setInterval(() => this.#wait?.tick(desk.now()), 1000);
  }

  show(state) {
    this.#wait = waitBadge(state, this.desk.now());
    this.dataset.state = state.state;
    const pill = element("span", { class: "pill" }, stateLabel(state, this.desk.me));
    const here = whereabouts(this.desk.thread(state.conversation));
    const standing = element("p", { class: "standing" }, pill, team(state), this.#wait, here);
    this.who.replaceChildren(element("h2", {}, visitorName(state)), standing);
    const offered = VERBS.filter(({ verb }) => offers(verb, state, this.desk));
    this.verbs.replaceChildren(...offered.map((row) => this.#verbButton(row)));
  }

  #verbButton({ verb, icon: iconName, look, label }) {
    const node = button(look, () => this.acts[verb](), icon(iconName), element("span", {}, label()));
    return Object.assign(node, { title: label() });
  }
}

function whereabouts(thread) {
  const isHere = Boolean(thread?.visitorIsHere);
  const words = isHere ? gettext("On the page") : gettext("Not on the page");
  const dot = element("i", { class: "dot" });
  return element("small", { class: "whereabouts", title: words, "data-presence": isHere ? "online" : "gone" }, dot, words);
}

customElements.define("thread-header", ThreadHeader);
