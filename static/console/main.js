/** The agent console: reads what the page was given, builds the desk, connects the elements. Start reading here. */
import { paint } from "../shared/colour.js";
import { fill } from "../shared/format.js";
import { KefuSocket } from "../shared/socket.js";
import { acts } from "./acts.js";
import { Api } from "./api.js";
import { Attention } from "./attention.js";
import { Desk } from "./desk.js";
import { totalUnread } from "./inbox.js";
import { lastText, visitorName } from "./labels.js";
import { listenForShortcuts } from "./shortcuts.js";
import { Verbs } from "./verbs.js";
import "./elements/attention-switches.js";
import "./elements/connection-banner.js";
import "./elements/conversation-list.js";
import "./elements/conversation-thread.js";
import "./elements/notice-stack.js";
import "./elements/presence-menu.js";
import "./elements/visitor-card.js";

const { accent, api: apiRoot, socket: socketPath, meId, meName, assigns, uploads } = document.body.dataset;
const NOTICED = ["assigned", "passed", "moved"];
const find = (tag) => document.querySelector(tag);

const api = new Api(apiRoot);
const socket = new KefuSocket({
  url: socketPath,
  history: (conversation, after) => api.messages(conversation, after, 200),
  storageKey: `kefu.console.outbox.${meId}`,
});
const desk = new Desk({ socket, api, me: { id: meId, name: meName }, assigns: assigns === "yes", uploads: JSON.parse(uploads) });
const verbs = new Verbs(desk);
const attention = new Attention();
const can = acts({ desk, verbs, list: find("conversation-list"), thread: find("conversation-thread") });

paint(document.documentElement, accent);
find("connection-banner").attach(desk);
find("presence-menu").attach(desk, verbs);
find("attention-switches").attach(attention);
find("conversation-list").attach(desk);
find("conversation-thread").attach(desk, verbs, can);
find("visitor-card").attach(desk, can);
find("#show-help").addEventListener("click", can.help);
listenForShortcuts(can);

desk.addEventListener("problem", ({ detail }) => find("notice-stack").say(detail));
desk.addEventListener("list", () => (attention.unread = totalUnread(desk.states(), desk.me)));
desk.addEventListener("news", ({ detail: { kind, state } }) => {
  const isInView = state.conversation === desk.current && !document.hidden;
  if (isInView && !["waiting", "moved"].includes(kind)) return;
  const news = newsOf(kind, state);
  if (NOTICED.includes(kind)) find("notice-stack").say(news.title, "pass", () => can.open(news.conversation));
  attention.call(kind, news, can.open);
});

socket.addEventListener("welcome", () => verbs.resumePresence(), { once: true });
window.addEventListener("hashchange", followAddress);
followAddress();
desk.start();

function followAddress() {
  const id = location.hash.slice(1) || null;
  document.body.dataset.page = id ? "thread" : "list";
  desk.open(id);
}

function newsOf(kind, state) {
  const titles = {
    waiting: gettext("%(name)s is waiting for a person"),
    assigned: gettext("%(name)s was assigned to you"),
    passed: gettext("%(name)s was passed to you"),
    moved: state.agent
      ? gettext("%(name)s went on to %(agent)s")
      : gettext("%(name)s went back to the queue"),
    message: gettext("%(name)s wrote"),
  };
  const title = fill(titles[kind], { name: visitorName(state), agent: state.agent?.name });
  return { title, body: state.last ? lastText(state.last) : (state.reason ?? ""), conversation: state.conversation };
}
