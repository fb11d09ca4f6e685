import { relative } from "../../shared/format.js";
import { element, iconButton, oncePerFrame, webLink } from "../dom.js";
import { avatar, languageName, stateLabel, visitorName } from "../labels.js";

/** The right pane: who writes, from which page, why a person was asked for, and what was before. */
export class VisitorCard extends HTMLElement {
  #visitor = null;
  #earlier = null;

  attach(desk, acts) {
    this.desk = desk;
    this.head = element("div", { class: "head" });
    this.facts = element("dl", {});
    this.story = element("div", {});
    this.past = element("section", {});
    const words = gettext("Who the visitor is, their page and their earlier conversations appear here.");
    const hint = element("p", { class: "faint hint" }, words);
    const close = iconButton("close", gettext("Close"), "card-close", () => acts.back());
    this.append(hint, close, this.head, this.story, this.facts, this.past);
    const redraw = oncePerFrame(() => this.#draw());
    desk.addEventListener("open", redraw);
    desk.addEventListener("list", redraw);
    this.#draw();
  }

  #draw() {
    const state = this.desk.state(this.desk.current);
    this.toggleAttribute("data-empty", !state);
    if (!state) return;
    const { visitor } = state;
    const name = visitorName(state);
    const standing = element("p", {}, stateLabel(state, this.desk.me));
    this.head.replaceChildren(avatar(name, visitor?.id), element("h2", {}, name), standing);
    this.facts.replaceChildren(...facts(state));
    this.story.replaceChildren(
      section(gettext("Reason for the hand-over"), state.reason, "reason"),
      section(gettext("Summary"), state.summary, "summary"),
    );
    if (visitor?.id !== this.#visitor) this.#readEarlier(visitor?.id);
    this.#drawEarlier();
  }

  async #readEarlier(visitor) {
    this.#visitor = visitor;
    this.#earlier = null;
    const earlier = visitor === undefined ? [] : await this.desk.api.earlierOf(visitor).catch(() => []);
    if (visitor !== this.#visitor) return;
    this.#earlier = earlier;
    this.#drawEarlier();
  }

  #drawEarlier() {
    const rows = (this.#earlier ?? []).filter(({ conversation }) => conversation !== this.desk.current);
    const nothing = this.#earlier ? gettext("This is the first one.") : gettext("Reading…");
    const list = element("ul", {}, rows.map((state) => this.#past(state)));
    const title = element("h3", {}, gettext("Previous conversations"));
    this.past.replaceChildren(title, rows.length ? list : element("p", { class: "faint" }, nothing));
  }

  #past(state) {
    const when = state.last && element("small", {}, relative(state.last.at, "short"));
    const pill = element("small", { class: "pill" }, stateLabel(state, this.desk.me));
    const words = element("span", {}, state.last?.text || gettext("No message yet"));
    const meta = element("span", { class: "meta" }, when, pill);
    const link = element("a", { href: `#${state.conversation}` }, words, meta);
    return element("li", { "data-state": state.state }, link);
  }
}

function facts({ visitor, agent, cases }) {
  const page = visitor?.page ?? {};
  const rows = [
    [gettext("Account"), visitor?.account],
    [gettext("Language"), languageName(visitor?.locale)],
    [gettext("Page"), page.url && webLink(page.url, page.title || page.url)],
    [gettext("Came from"), page.referrer && webLink(page.referrer, shortened(page.referrer))],
    [gettext("Looked after by"), agent?.name],
    [gettext("Complaints"), cases?.join(", ")],
  ];
  const known = rows.filter(([, value]) => value);
  return known.flatMap(([label, value]) => [element("dt", {}, label), element("dd", {}, value)]);
}

function shortened(address) {
  return URL.canParse(address) ? new URL(address).host : address;
}

function section(title, text, className) {
  return text ? element("section", { class: className }, element("h3", {}, title), element("p", {}, text)) : "";
}

customElements.define("visitor-card", VisitorCard);
