import { button, element, icon } from "../dom.js";

const SHOWN_FOR = 6000;

/** What just went wrong, or what just came in, in a sentence, for a few seconds. */
export class NoticeStack extends HTMLElement {
  connectedCallback() {
    this.setAttribute("role", "status");
    this.setAttribute("aria-live", "polite");
  }

  /** `open`, if given, is what the notice is about. */
  say(text, iconName = "warning", open = null) {
    const notice = element("p", { class: "notice" }, icon(iconName), element("span", {}, text));
    const follow = () => {
      notice.remove();
      open();
    };
    if (open) notice.append(button("link", follow, gettext("Open")));
    this.append(notice);
    setTimeout(() => notice.remove(), SHOWN_FOR);
  }
}

customElements.define("notice-stack", NoticeStack);
