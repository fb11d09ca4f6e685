import { fill, span } from "../shared/format.js";
import { gettext, ngettext } from "../shared/text.js";

const LINES = {
  bot: () => gettext("AI assistant, answers at once"),
  waiting: ({ queue }) => waitingLine(queue),
  agent: ({ agent }) => fill(gettext("You are talking to %(name)s"), { name: agent?.name ?? gettext("a person") }),
  closed: () => gettext("This conversation has ended"),
};

/** One line that says who is listening: the bot, the queue, a person, nobody. */
export class KefuStatus extends HTMLElement {
  set visit(visit) {
    this.setAttribute("role", "status");
    visit.addEventListener("conversation", () => this.#show(visit.conversation));
  }

  #show(conversation) {
    this.dataset.state = conversation.state;
    this.textContent = LINES[conversation.state]?.(conversation) ?? "";
  }
}

function waitingLine(queue) {
  if (!queue) return gettext("Waiting for a person");
  const ahead = Math.max(0, queue.position - 1);
  const place = ahead
    ? fill(ngettext("%(n)s person ahead of you", "%(n)s people ahead of you", ahead), { n: ahead })
    : gettext("You are next");
  if (!queue.eta_seconds) return fill(gettext("%(place)s, as soon as somebody is there"), { place });
  return fill(gettext("%(place)s, about %(time)s"), { place, time: span(queue.eta_seconds) });
}

customElements.define("kefu-status", KefuStatus);
