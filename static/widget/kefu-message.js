import { button, element, rich } from "../shared/dom.js";
import { clock, moment } from "../shared/format.js";
import { icon } from "../shared/icons.js";
import { MessageFiles } from "../shared/message-files.js";
import { gettext } from "../shared/text.js";
import { byline } from "./byline.js";
import { KefuFeedback } from "./kefu-feedback.js";
import { KefuSources } from "./kefu-sources.js";

/** One message, from the first grey moment or the first streamed word to its committed form. */
export class KefuMessage extends HTMLElement {
  #visit;
  #parts = {
    head: element("header", {}),
    body: element("div", { class: "bubble" }),
    attachments: new MessageFiles((file) => this.#visit.addressOf(file)),
    sources: new KefuSources(),
    foot: element("footer", {}),
  };
  #feedback = null;

  constructor(visit, item) {
    super();
    this.#visit = visit;
    this.show(item);
  }

  connectedCallback() {
    if (!this.childElementCount) this.append(...Object.values(this.#parts));
  }

  show(item) {
    Object.assign(this.dataset, { kind: item.sender.kind, status: item.status, key: item.key });
    this.#showHead(item);
    this.#showBody(item);
    this.#parts.attachments.attachments = item.attachments;
    this.#parts.sources.sources = item.sources;
    this.#showFoot(item);
  }

  #showHead({ sender, ai }) {
    if (sender.kind === "visitor" || sender.kind === "system") return this.#parts.head.replaceChildren();
    const isAi = ai ?? sender.kind === "bot";
    const name = sender.name || (isAi ? this.#visit.policy.bot_name : gettext("Support"));
    return this.#parts.head.replaceChildren(...byline(name, isAi));
  }

  // Only what the server has sanitised is markup; a stream, and whatever a visitor typed, is text.
  #showBody({ sender, html, text, attachments }) {
    const isMarkup = html && sender.kind !== "visitor";
    this.#parts.body.classList.toggle("rich", Boolean(isMarkup));
    this.#parts.body.replaceChildren(isMarkup ? rich(html) : (text ?? ""));
    this.#parts.body.hidden = !text && !html && attachments?.length > 0;
  }

  #showFoot(item) {
    const foot = this.#parts.foot;
    if (item.sender.kind === "system") return foot.replaceChildren();
    if (item.status === "failed") return foot.replaceChildren(this.#failure(item));
    if (item.status === "sending") return foot.replaceChildren(element("span", {}, gettext("Sending…")));
    if (ENDS[item.ended] && !item.seq) return foot.replaceChildren(ENDS[item.ended](), this.#again());
    if (!item.seq) return foot.replaceChildren();
    const time = element("time", { dateTime: item.at, title: moment(item.at) }, clock(item.at));
    return foot.replaceChildren(time, ...this.#tools(item));
  }

  #tools(item) {
    if (item.sender.kind === "visitor") return [element("span", { class: "seen" }, gettext("Seen"))];
    if (item.sender.kind !== "bot") return [];
    this.#feedback ??= new KefuFeedback(this.#visit, item.seq);
    return [this.#feedback, MADE.has(item.mode) ? this.#again() : "", OFFERING.has(item.mode) ? this.#offer() : ""];
  }

  #again() {
    return button("quiet again", () => this.#fire("answer-again"), {}, icon("again"), gettext("Answer again"));
  }

  #offer() {
    return button("chip offer", () => this.#fire("ask-agent"), {}, icon("person"), gettext("Talk to a person"));
  }

  #fire(name) {
    this.dispatchEvent(new CustomEvent(name, { bubbles: true }));
  }

  #failure(item) {
    const reason = item.error?.message || gettext("Not sent");
    const retry = button("plain", () => this.#visit.sayAgain(item), {}, gettext("Try again"));
    return element("span", { class: "failure", role: "alert" }, reason, retry);
  }
}

const MADE = new Set([undefined, null, "", "generated", "extract", "unknown", "busy"]); // another try may read differently
const OFFERING = new Set(["unknown", "complaint", "busy"]);
const ENDS = {
  stopped: () => gettext("Stopped"),
  failed: () => gettext("The answer broke off"),
};

customElements.define("kefu-message", KefuMessage);
