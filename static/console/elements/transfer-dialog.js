import { element } from "../dom.js";
import { ConsoleDialog } from "./console-dialog.js";
import { presenceLabel } from "./presence-menu.js";

const FREE_FIRST = ["online", "busy", "away"];

/** Pass a conversation to a colleague, with a note that the visitor never sees. */
export class TransferDialog extends ConsoleDialog {
  constructor(agents, transfer) {
    super(gettext("Transfer to a colleague"));
    this.list = element("fieldset", { class: "colleagues" }, element("legend", {}, gettext("To whom")));
    this.note = element("textarea", { rows: 3, maxlength: 4000, placeholder: gettext("What should they know?") });
    this.body.append(this.list, element("label", {}, gettext("Note, for colleagues only"), this.note));
    this.#listColleagues(agents);
    this.offer({ label: gettext("Cancel"), cancels: true });
    const go = () => transfer(new FormData(this.form).get("agent"), this.note.value.trim());
    this.offer({ label: gettext("Transfer"), act: go }).disabled = agents.length === 0;
    this.dialog.addEventListener("close", () => this.remove());
  }

  #listColleagues(agents) {
    const order = (agent) => FREE_FIRST.indexOf(agent.presence);
    const rows = [...agents].sort((a, b) => order(a) - order(b)).map(colleague);
    const nobody = element("p", { class: "faint" }, gettext("You have no colleagues here yet. The admin adds agents."));
    this.list.append(...(rows.length ? rows : [nobody]));
  }
}

function colleague({ id, name, presence }) {
  return element(
    "label",
    { "data-presence": presence },
    element("input", { type: "radio", name: "agent", value: id, required: true }),
    element("i", { class: "dot" }),
    element("span", {}, name),
    element("small", {}, presenceLabel(presence)),
  );
}

customElements.define("transfer-dialog", TransferDialog);
