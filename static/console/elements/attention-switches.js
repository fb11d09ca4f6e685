import { icon, iconButton } from "../dom.js";

/** Sound on or off, and the one place that asks for desktop notifications. */
export class AttentionSwitches extends HTMLElement {
  attach(attention) {
    this.attention = attention;
    this.bell = iconButton("bell", gettext("Show desktop notifications"), "bell", () => attention.askToNotify());
    this.sound = iconButton("sound", gettext("Sound"), "sound", () => (attention.muted = !attention.muted));
    this.append(this.bell, this.sound);
    attention.addEventListener("change", () => this.#draw());
    this.#draw();
  }

  #draw() {
    const { muted, canAskToNotify } = this.attention;
    this.bell.hidden = !canAskToNotify;
    const label = muted ? gettext("Sound is off. Turn it on") : gettext("Sound is on. Turn it off");
    this.sound.setAttribute("aria-pressed", String(!muted));
    this.sound.setAttribute("aria-label", label);
    this.sound.title = label;
    this.sound.replaceChildren(icon(muted ? "mute" : "sound"));
  }
}

customElements.define("attention-switches", AttentionSwitches);
