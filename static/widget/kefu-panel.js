import { paint } from "../shared/colour.js";
import { button, element, iconButton } from "../shared/dom.js";
import { icon } from "../shared/icons.js";
import { gettext } from "../shared/text.js";
import { Host } from "./host.js";
import { KefuComposer } from "./kefu-composer.js";
import { KefuNotice } from "./kefu-notice.js";
import { KefuRating } from "./kefu-rating.js";
import { KefuStatus } from "./kefu-status.js";
import { KefuThread } from "./kefu-thread.js";
import { Visit } from "./visit.js";

const HOST_PATIENCE = 1_500; // a page whose loader does not answer still gets its panel
const OFFLINE = () => gettext("No connection. Your messages will be sent when it is back.");
const STOPPED = {
  4003: () => gettext("This page may not show the chat."),
  4009: () => gettext("The chat goes on in another window."),
  4090: () => gettext("The chat is not available at the moment."),
};

/** The whole panel: puts the parts together and carries what one part asks of another. */
export class KefuPanel extends HTMLElement {
  #visit = new Visit();
  #host = null;
  #hasBegun = false;
  #status = new KefuStatus();
  #notice = new KefuNotice();
  #thread = new KefuThread();
  #composer = new KefuComposer();
  #rating = new KefuRating();
  #avatar = element("span", { class: "avatar", "aria-hidden": "true" });
  #title = element("h1", {});
  #disclaimer = element("p", { class: "disclaimer" });
  #agent = this.#tool("person", gettext("Talk to a person"), () => this.#askAgent());
  #stop = this.#tool("stop", gettext("Stop"), () => this.#try(this.#visit.stopAnswer()));
  #end = this.#tool("end", gettext("End conversation"), () => this.#confirmEnd());

  connectedCallback() {
    this.#host = new Host((this.dataset.origins ?? "").split(" ").filter(Boolean));
    this.#name(this.dataset.company);
    this.#build();
    for (const part of [this.#status, this.#thread, this.#composer, this.#rating]) part.visit = this.#visit;
    this.#listen();
    this.#listenToHost();
  }

  // -- parts ------------------------------------------------------------------------------------------

  #build() {
    const close = iconButton("quiet", () => this.#host.tell("close"), gettext("Close the chat"), icon("minimise"));
    close.hidden = !this.#host.isEmbedded;
    this.#stop.classList.add("stop");
    this.append(
      element("header", { class: "top" }, this.#avatar, element("div", {}, this.#title, this.#status), close),
      this.#notice,
      this.#thread,
      this.#rating,
      element("div", { class: "bar" }, this.#agent, this.#stop, this.#end),
      this.#composer,
      this.#disclaimer,
    );
    this.#rating.hidden = true;
    this.#showTools();
  }

  #tool(name, label, act) {
    return button("tool", act, {}, icon(name), element("span", {}, label));
  }

  #name(company) {
    if (!company) return;
    this.#title.textContent = company;
    this.#avatar.textContent = [...company][0];
  }

  // -- events -------------------------------------------------------------------------------------------

  #listen() {
    const visit = this.#visit;
    const heard = {
      ready: () => this.#welcome(),
      connection: () => this.#showConnection(),
      unread: () => this.#host.tell("unread", { count: visit.unread }),
      problem: ({ detail }) => this.#notice.say(detail.message || STOPPED[4090](), { kind: "bad", lasting: true }),
    };
    for (const [name, hear] of Object.entries(heard)) visit.addEventListener(name, hear);
    for (const name of ["conversation", "awaiting"]) visit.addEventListener(name, () => this.#showTools());
    this.addEventListener("choose", ({ detail }) => visit.say(detail));
    this.addEventListener("ask-agent", () => this.#askAgent());
    this.addEventListener("answer-again", () => this.#try(visit.answerAgain()));
    this.addEventListener("start-over", () => visit.begin());
    this.addEventListener("trouble", ({ detail }) => this.#notice.blame(detail));
    document.addEventListener("keydown", (event) => this.#pressed(event));
    document.addEventListener("visibilitychange", () => this.#setShown(visit.isShown));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#paint());
  }

  #pressed({ key, isComposing }) {
    if (key === "Escape" && !isComposing && !document.querySelector("dialog[open]")) this.#host.tell("close");
  }

  #listenToHost() {
    const host = this.#host;
    if (!host.isEmbedded) return this.#begin({});
    if (!host.isTrusted) return this.#showStopped(4003);
    const heard = {
      init: ({ identity, attributes, page }) => this.#begin({ identity, attributes, page }),
      show: ({ focus }) => this.#setShown(true, { withFocus: focus }),
      hide: () => this.#setShown(false),
      user: ({ identity }) => this.#visit.begin({ identity: String(identity) }),
      attributes: ({ attributes }) => this.#visit.begin({ attributes }),
      reset: () => this.#visit.reset(),
    };
    for (const [name, hear] of Object.entries(heard)) host.addEventListener(name, ({ detail }) => hear(detail));
    this.#visit.isShown = false;
    host.tell("ready");
    return setTimeout(() => this.#begin({}), HOST_PATIENCE);
  }

  #begin(wishes) {
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#visit.begin({ ...wishes, locale: document.documentElement.lang });
  }

  // -- what is shown --------------------------------------------------------------------------------------

  #welcome() {
    const { policy } = this.#visit;
    this.#name(policy.company);
    this.#paint();
    this.#disclaimer.textContent = policy.disclaimer || gettext("Answers are written by an AI and may be wrong.");
  }

  #paint() {
    paint(document.documentElement, this.#visit.policy?.accent);
  }

  #showTools() {
    const { conversation, isAwaiting, store, policy } = this.#visit;
    const { state } = conversation;
    this.dataset.state = state;
    const hasSpoken = Boolean(store?.items().some(({ sender }) => sender.kind === "visitor"));
    this.#agent.hidden = state === "agent" || state === "closed" || policy?.can_ask_agent === false;
    this.#agent.disabled = state === "waiting" || !store;
    const isCalled = state === "waiting";
    this.#agent.lastChild.textContent = isCalled ? gettext("A person will come") : gettext("Talk to a person");
    this.#stop.hidden = state !== "bot" || !isAwaiting;
    this.#end.hidden = state === "closed" || !this.#stop.hidden || !(hasSpoken || state !== "bot");
    this.#composer.hidden = state === "closed";
  }

  #showConnection() {
    const { connection, closeCode } = this.#visit;
    this.dataset.connection = connection;
    if (connection === "online") this.#notice.clear("offline");
    if (connection === "waiting") this.#notice.say(OFFLINE(), { kind: "offline", lasting: true });
    if (connection === "stopped" && STOPPED[closeCode]) this.#showStopped(closeCode);
  }

  #showStopped(code) {
    const actions = code === 4009 ? [[gettext("Go on here"), () => this.#visit.begin()]] : [];
    this.dataset.connection = "stopped";
    this.#notice.say(STOPPED[code](), { kind: "bad", lasting: true, actions });
  }

  #setShown(isShown, { withFocus = false } = {}) {
    this.#visit.isShown = isShown;
    if (!isShown || document.hidden) return;
    this.#thread.toEnd();
    // On a touch screen focus would bring up the keyboard over the greeting.
    if (withFocus && !matchMedia("(pointer: coarse)").matches) this.#composer.focus();
  }

  // -- what is asked ----------------------------------------------------------------------------------------

  #askAgent() {
    return this.#try(this.#visit.askAgent());
  }

  #confirmEnd() {
    this.#notice.say(gettext("End this conversation?"), {
      kind: "warn",
      actions: [
        [gettext("End"), () => this.#try(this.#visit.end())],
        [gettext("Go on"), () => this.#composer.focus()],
      ],
    });
  }

  #try(promise) {
    return promise.catch((error) => this.#notice.blame(error));
  }
}

customElements.define("kefu-panel", KefuPanel);
