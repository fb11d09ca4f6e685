import { element } from "../dom.js";
import { LOCAL_KEYS, SHORTCUTS } from "../shortcuts.js";
import { ConsoleDialog } from "./console-dialog.js";

/** The keyboard, listed. */
export class HelpDialog extends ConsoleDialog {
  constructor() {
    super(gettext("Keyboard"));
    const rows = [...SHORTCUTS, ...LOCAL_KEYS].flatMap(({ keys, label }) => [
      element("dt", {}, keys.map((key) => element("kbd", {}, key))),
      element("dd", {}, label()),
    ]);
    this.body.append(element("dl", { class: "keys" }, rows));
    this.offer({ label: gettext("Done"), cancels: true });
  }
}

customElements.define("help-dialog", HelpDialog);
