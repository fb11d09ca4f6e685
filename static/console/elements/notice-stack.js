import { element, icon } from "../dom.js";

const SHOWN_FOR = 6000;

/** What just went wrong, or what just came in, in a sentence, for a few seconds. */
export class NoticeStack extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }

  say(text, iconName = "warning") {
    const notice = element("p", { class: "notice" }, icon(iconName), element("span", {}, text));
    this.append(notice);
    setTimeout(() => notice.remove(), SHOWN_FOR);
  }
}

customElements.define("notice-stack", NoticeStack);
