import { fill } from "../shared/format.js";
import { element } from "./dom.js";
import { isMine } from "./inbox.js";

/** Words for states and people, the same everywhere in the console. */

const STATES = {
  bot: () => gettext("AI answers"),
  waiting: () => gettext("Waiting"),
  agent: (state, me) => (isMine(state, me) ? gettext("With you") : withColleague(state)),
  closed: () => gettext("Closed"),
};

const SENDERS = {
  visitor: () => gettext("Visitor"),
  bot: () => gettext("AI assistant"),
  agent: () => gettext("Colleague"),
  system: () => gettext("System"),
};

/** Languages are named in their own words, so that nobody has to translate them. */
const LANGUAGES = { "zh-hans": "简体中文", "zh-hant": "繁體中文", en: "English" };

export const stateLabel = (state, me) => STATES[state.state](state, me);
export const senderName = ({ kind, name }) => name || SENDERS[kind]();
export const team = (state) => state.team && element("small", { class: "team" }, state.team.name);
export const visitorName = (state) => state.visitor?.name || gettext("Visitor");
/** Of the last message: its words, or how many files it has where there are none. */
export const lastText = ({ text, files = 0 }) => text || fill(ngettext("%(n)s file", "%(n)s files", files), { n: files });
export const languageName = (locale) => LANGUAGES[locale?.toLowerCase()] ?? locale;

/** A round initial; the same person always in the same colour. */
export function avatar(name, id) {
  const circle = element("span", { class: "avatar", "aria-hidden": "true" }, [...name.trim()][0]?.toUpperCase());
  circle.style.setProperty("--hue", hueOf(String(id ?? name)));
  return circle;
}

function withColleague(state) {
  return state.agent ? fill(gettext("With %(name)s"), { name: state.agent.name }) : gettext("With a colleague");
}

// The last factor spreads neighbours: visitors 41 and 42 should not look alike.
function hueOf(text) {
  const sum = [...text].reduce((hash, letter) => (hash * 31 + letter.codePointAt(0)) % 9973, 7);
  return (sum * 137) % 360;
}
