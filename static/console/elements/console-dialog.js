import { element } from "../dom.js";

/** A question in a modal <dialog>: a title, a body, buttons. Esc and the backdrop mean "no". */
export class ConsoleDialog extends HTMLElement {
  constructor(title) {
    super();
    this.body = element("div", { class: "dialog-body" });
    this.buttons = element("footer", {});
    this.form = element("form", { method: "dialog" }, element("h2", {}, title), this.body, this.buttons);
    this.dialog = element("dialog", { "aria-label": title }, this.form);
    this.dialog.addEventListener("click", (event) => event.target === this.dialog && this.dialog.close());
    this.append(this.dialog);
  }

  open() {
    if (!this.isConnected) document.body.append(this);
    this.dialog.showModal();
  }

  close() {
    this.dialog.close();
  }

  /** Adds a button. One that `cancels` only closes; the other runs `act` when the form is valid. */
  offer({ label, act, cancels = false, danger = false }) {
    const look = cancels ? "plain" : danger ? "danger" : "primary";
    const button = element("button", { type: cancels ? "button" : "submit", class: look }, label);
    if (cancels) button.addEventListener("click", () => this.close());
    else this.form.addEventListener("submit", act);
    this.buttons.append(button);
    return button;
  }
}

customElements.define("console-dialog", ConsoleDialog);
