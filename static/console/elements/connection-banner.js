import { fill } from "../../shared/format.js";
import { button, element, icon } from "../dom.js";

/** Close codes after which nobody tries again by themselves, and what the agent can do. */
const STOPPED = {
  4001: () => [gettext("You are no longer signed in."), gettext("Sign in again")],
  4003: () => [gettext("This address may not open the console."), null],
  4009: () => [gettext("The console was opened in another place."), gettext("Use it here")],
  4090: () => [gettext("This company's service is suspended. Ask the operator."), null],
};

/** A line across the top while the console is not connected; silent for a hiccup. */
export class ConnectionBanner extends HTMLElement {
  #timer = null;

  attach(desk) {
    this.desk = desk;
    this.hidden = true;
    this.setAttribute("role", "alert");
    desk.addEventListener("connection", () => this.#show(desk.connection));
  }

  #show({ state, code, retryIn }) {
    clearInterval(this.#timer);
    if (state === "waiting") return this.#countDown(retryIn);
    if (state === "stopped") return this.#stopped(code);
    if (state === "online") this.hidden = true;
    return undefined;
  }

  #countDown(retryIn) {
    const end = Date.now() + retryIn;
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((end - Date.now()) / 1000));
      const when = seconds > 1 ? gettext("Trying again in %(n)s s.") : gettext("Trying again…");
      this.#say(gettext("No connection. What you send now goes out when it is back."), fill(when, { n: seconds }));
    };
    tick();
    this.#timer = setInterval(tick, 1000);
  }

  #stopped(code) {
    const [text, next] = STOPPED[code]?.() ?? [gettext("The connection was closed."), gettext("Reload")];
    this.#say(text, next && button("link", () => location.reload(), next));
  }

  #say(...parts) {
    this.hidden = false;
    this.replaceChildren(icon("warning"), ...parts.filter(Boolean).map((part) => element("span", {}, part)));
  }
}

customElements.define("connection-banner", ConnectionBanner);
