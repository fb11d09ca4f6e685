import { element } from "../dom.js";

const STATES = {
  online: () => gettext("Online"),
  busy: () => gettext("Busy"),
  away: () => gettext("Away"),
};

/** Whether visitors may be sent to this agent. */
export class PresenceMenu extends HTMLElement {
  attach(desk, verbs) {
    const options = Object.entries(STATES).map(([value, label]) => element("option", { value }, label()));
    const select = element("select", { "aria-label": gettext("Your presence") }, options);
    select.addEventListener("change", () => verbs.setPresence(select.value));
    this.append(element("i", { class: "dot" }), select);
    desk.addEventListener("presence", () => this.#show(desk.presence));
    this.select = select;
    this.#show(desk.presence);
  }

  #show(presence) {
    this.dataset.presence = presence;
    this.select.value = presence;
  }
}

export const presenceLabel = (presence) => STATES[presence]?.() ?? presence;

customElements.define("presence-menu", PresenceMenu);
