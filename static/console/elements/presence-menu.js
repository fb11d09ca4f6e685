import { fill } from "../../shared/format.js";
import { element } from "../dom.js";

const STATES = {
  online: () => gettext("Online"),
  busy: () => gettext("Busy"),
  away: () => gettext("Away"),
};
const LABELS = { ...STATES, gone: () => gettext("Console closed") };

/** Whether visitors may be sent to this agent, and how many more come by themselves. */
export class PresenceMenu extends HTMLElement {
  attach(desk, verbs) {
    this.desk = desk;
    const options = Object.entries(STATES).map(([value, label]) => element("option", { value }, label()));
    const select = element("select", { "aria-label": gettext("Your presence") }, options);
    select.addEventListener("change", () => verbs.setPresence(select.value));
    this.load = element("small", { class: "load", hidden: true });
    this.append(element("i", { class: "dot" }), select, this.load);
    this.select = select;
    desk.addEventListener("presence", () => this.#show());
    desk.addEventListener("list", () => this.#showLoad());
    this.#show();
  }

  #show() {
    const { presence } = this.desk;
    this.dataset.presence = presence;
    this.select.value = presence;
    this.#showLoad();
  }

  #showLoad() {
    const { assigns, limit, presence } = this.desk;
    this.load.hidden = !assigns || limit === null;
    if (this.load.hidden) return;
    const load = this.desk.load();
    this.load.textContent = `${load} / ${limit}`;
    this.load.toggleAttribute("data-full", load >= limit);
    this.load.title = fill(comes(presence, load, limit), { n: load, limit });
  }
}

function comes(presence, load, limit) {
  if (presence !== "online") return gettext("No visitors come by themselves until you are online.");
  if (load >= limit) return gettext("You have %(n)s of %(limit)s visitors. The next one comes when you close one.");
  return gettext("You have %(n)s of %(limit)s visitors. More come by themselves.");
}

export const presenceLabel = (presence) => LABELS[presence]?.() ?? presence;

customElements.define("presence-menu", PresenceMenu);
