import { element } from "../dom.js";
import { ConsoleDialog } from "./console-dialog.js";

/** One yes-or-no question about something that cannot be undone. */
export class ConfirmDialog extends ConsoleDialog {
  constructor({ title, text, yes, act }) {
    super(title);
    this.body.append(element("p", {}, text));
    this.offer({ label: gettext("Cancel"), cancels: true });
    this.offer({ label: yes, act, danger: true }).autofocus = true;
    this.dialog.addEventListener("close", () => this.remove());
  }
}

customElements.define("confirm-dialog", ConfirmDialog);
