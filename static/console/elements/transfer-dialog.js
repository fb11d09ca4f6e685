import { fill } from "../../shared/format.js";
import { element } from "../dom.js";
import { ConsoleDialog } from "./console-dialog.js";
import { presenceLabel } from "./presence-menu.js";

const FREE_FIRST = ["online", "busy", "away", "gone"];

/** Pass a conversation to a colleague or a team, with a note that the visitor never sees. */
export class TransferDialog extends ConsoleDialog {
  /** `transfer({agent: 7} or {team: 2}, note)` */
  constructor({ colleagues, teams }, transfer) {
    super(gettext("Transfer to a colleague"));
    this.note = element("textarea", { rows: 3, maxlength: 4000, placeholder: gettext("What should they know?") });
    this.body.append(
      list(gettext("To whom"), colleagueRows(colleagues)),
      teams.length ? list(gettext("Or to a team"), teams.map((team) => teamRow(team, colleagues))) : "",
      element("label", {}, gettext("Note, for colleagues only"), this.note),
    );
    this.offer({ label: gettext("Cancel"), cancels: true });
    const go = () => transfer(this.#chosen(), this.note.value.trim());
    this.offer({ label: gettext("Transfer"), act: go }).disabled = colleagues.length + teams.length === 0;
    this.dialog.addEventListener("close", () => this.remove());
  }

  #chosen() {
    const [kind, id] = new FormData(this.form).get("to").split(" ");
    return { [kind]: Number(id) };
  }
}

function list(legend, rows) {
  return element("fieldset", { class: "colleagues" }, element("legend", {}, legend), rows);
}

function colleagueRows(colleagues) {
  if (!colleagues.length) {
    return element("p", { class: "faint" }, gettext("You have no colleagues here yet. The admin adds agents."));
  }
  const order = (agent) => FREE_FIRST.indexOf(whereabouts(agent));
  return [...colleagues].sort((a, b) => order(a) - order(b)).map(colleagueRow);
}

function colleagueRow(agent) {
  const { id, name, load, limit } = agent;
  const busy = element("small", { title: gettext("Conversations they have, and how many they are given") }, `${load} / ${limit}`);
  return row(`agent ${id}`, whereabouts(agent), name, busy, element("small", {}, presenceLabel(whereabouts(agent))));
}

function teamRow({ id, name, agents }, colleagues) {
  const there = colleagues.filter((one) => agents.includes(one.id) && whereabouts(one) === "online").length;
  const count = fill(ngettext("%(n)s is online", "%(n)s are online", there), { n: there });
  return row(`team ${id}`, there ? "online" : "gone", name, element("small", {}, count));
}

function row(value, presence, name, ...more) {
  const choice = element("input", { type: "radio", name: "to", value, required: true });
  const dot = element("i", { class: "dot" });
  return element("label", { "data-presence": presence }, choice, dot, element("span", {}, name), more);
}

// What they chose, as long as their console is there to hear of it.
const whereabouts = ({ presence, here }) => (here === false ? "gone" : presence);

customElements.define("transfer-dialog", TransferDialog);
