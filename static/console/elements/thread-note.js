import { clock, moment } from "../../shared/format.js";
import { element, icon } from "../dom.js";

/** A note between the messages: for colleagues, never for the visitor. */
export class ThreadNote extends HTMLElement {
  show({ text, sender, at, status }) {
    this.dataset.status = status;
    const time = element("time", { datetime: at, title: moment(at) }, clock(at));
    const label = element("small", {}, gettext("Note, not shown to the visitor"));
    this.replaceChildren(
      element("header", {}, icon("note"), element("strong", {}, sender.name), label, time),
      element("p", {}, text),
    );
  }
}

customElements.define("thread-note", ThreadNote);
