{% comment %}
Served at /widget/v1/loader.js; context: accent ("#rrggbb"), greeting. A company's page carries one line:
    <script src="https://KEFU-HOST/widget/v1/loader.js" defer></script>
Attributes of that line: data-position="left", data-offset-x, data-offset-y (pixels), data-accent="#rrggbb",
data-locale="en", data-bubble="off" (no greeting), data-launcher="off" (the page calls Kefu.open() itself),
data-identity="JWT" (who is logged in, as your server has signed).
window.Kefu: open, close, toggle, setUser(jwt), setLocale, setAttributes, on(event, call), reset; events "unread" (count),
"open", "close". The window hears "kefu:ready" once Kefu is there.

The style sheet is a constructed one, which any style-src of the host page allows, in a shadow root, which keeps the page's
own styles out. A panel that is opened again on a new page leaves the focus where the visitor has it.
{% endcomment %}{% load i18n %}(() => {
  if (window.Kefu) return;
  const { src, dataset: given } = document.currentScript;
  const { origin: ORIGIN } = new URL(src);
  const STORE = `kefu ${ORIGIN}`;
  const greeting = "{{ greeting|escapejs }}";
  const accent = given.accent || "{{ accent|default:'#1f5fd6' }}";
  const side = given.position === "left" ? "left" : "right";
  const pixels = (value) => `${parseInt(value, 10) || 20}px`;
  const [r, g, b] = [1, 3, 5].map((at) => parseInt(accent.slice(at, at + 2), 16));
  const ink = r * 3 + g * 6 + b > 1500 ? "#000" : "#fff";
  const listeners = { unread: new Set(), open: new Set(), close: new Set() };
  const init = { identity: given.identity || undefined, page: { url: location.href, title: document.title, referrer: document.referrer } };
  let frame, isReady, isOpen, focus, before, watcher, locale = given.locale, unread = 0;

  const css = `:host{all:initial;position:fixed;z-index:2147483000;${side}:${pixels(given.offsetX)};bottom:${pixels(given.offsetY)};font:15px/1.5 system-ui,sans-serif;color-scheme:light dark}
[hidden]{display:none!important}
button{font:inherit;color:inherit;border:0;background:none;cursor:pointer}
button:focus-visible{outline:3px solid ${accent};outline-offset:2px}
.launcher{position:relative;width:60px;height:60px;padding:16px;border-radius:50%;background:${accent};color:${ink};box-shadow:0 6px 20px #0004}
svg{display:block;fill:none;stroke:currentcolor;stroke-width:1.8;stroke-linejoin:round}
.badge{position:absolute;top:-2px;right:-2px;min-width:10px;padding:0 6px;border-radius:11px;background:#c5221f;color:#fff;font-size:14px}
.bubble,iframe{position:absolute;${side}:0;bottom:76px;border-radius:16px;background:Canvas;color:CanvasText;box-shadow:0 6px 20px #0004}
.bubble{display:flex;width:max-content;max-width:280px}
.say{padding:12px 0 12px 16px;text-align:start}
.dismiss{min-width:44px;min-height:44px;font-size:20px}
iframe{width:400px;height:min(680px,100vh - 120px);border:0}
@keyframes rise{from{opacity:0;translate:0 10px}}
@media(prefers-reduced-motion:no-preference){.bubble,iframe{animation:rise .2s}}
@media(max-width:520px){iframe{position:fixed;inset:0;width:100%;height:100dvh;border-radius:0}.on .launcher{display:none}}`;

  const remembered = () => {
    try { return localStorage[STORE]; } catch {}
  };
  const remember = (value) => {
    try { localStorage[STORE] = value; } catch {}
  };
  const make = (tag, className, properties, ...children) => {
    const node = Object.assign(document.createElement(tag), { className, ...properties });
    node.append(...children);
    return node;
  };
  const button = (name, onclick, properties, ...children) => make("button", name, { type: "button", onclick, ...properties }, ...children);
  const tell = (type, fields) => isReady && frame.contentWindow.postMessage({ kefu: 1, type, ...fields }, ORIGIN);
  const announce = (name, value) => listeners[name].forEach((call) => call(value));

  const [svg, line] = ["svg", "path"].map((tag) => document.createElementNS("http://www.w3.org/2000/svg", tag));
  svg.append(line);
  svg.setAttribute("viewBox", "0 0 24 24");
  const badge = make("span", "badge");
  const launcher = button("launcher", () => toggle(), { hidden: given.launcher === "off" }, svg, badge);
  const bubble = make("div", "bubble", { hidden: true },
    button("say", () => open(), { textContent: greeting }),
    button("dismiss", () => dismiss(), { textContent: "×", ariaLabel: "{% filter escapejs %}{% translate 'Dismiss' %}{% endfilter %}" }));
  const box = make("div", "", {}, bubble, launcher);

  const show = () => {
    line.setAttribute("d", isOpen ? "M5 9l7 7 7-7" : "M4 5h16v11H11l-5 4v-4H4zM8 9h8M8 12h5");
    launcher.ariaLabel = isOpen
      ? "{% filter escapejs %}{% translate 'Close the chat' %}{% endfilter %}"
      : "{% filter escapejs %}{% translate 'Open the chat' %}{% endfilter %}" + (unread ? ` (${unread})` : "");
    badge.textContent = unread;
    badge.hidden = !unread || isOpen;
    box.className = isOpen ? "on" : "";
    if (frame) frame.hidden = !isOpen;
  };
  const load = () => {
    frame?.remove();
    isReady = false;
    const src = `${ORIGIN}/widget/v1/panel${locale ? `?locale=${encodeURIComponent(locale)}` : ""}`;
    frame = make("iframe", "", { src, title: "{% filter escapejs %}{% translate 'Chat' %}{% endfilter %}", referrerPolicy: "origin" });
    box.prepend(frame);
    show();
  };
  const dismiss = () => {
    bubble.hidden = true;
    remember(remembered() || "dismissed");
  };
  const open = (takesFocus = true) => {
    if (isOpen) return;
    isOpen = true;
    focus = takesFocus;
    before = document.activeElement;
    bubble.hidden = true;
    remember("open");
    frame ? show() : load();
    if (focus) frame.focus();
    tell("show", { focus });
    if (window.CloseWatcher) (watcher = new CloseWatcher()).onclose = close; // a phone's back gesture
    announce("open");
  };
  const close = () => {
    if (!isOpen) return;
    isOpen = false;
    remember("closed");
    watcher?.destroy();
    show();
    tell("hide");
    (launcher.hidden ? before : launcher)?.focus();
    announce("close");
  };
  const toggle = () => (isOpen ? close : open)();

  const hear = {
    close,
    ready() {
      isReady = true;
      tell("init", init);
      tell(isOpen ? "show" : "hide", { focus });
    },
    unread({ count }) {
      unread = +count || 0;
      show();
      announce("unread", unread);
    },
  };
  addEventListener("message", ({ source, origin, data }) => {
    const isOurs = source === frame?.contentWindow && origin === ORIGIN && data?.kefu === 1;
    if (isOurs && Object.hasOwn(hear, data.type)) hear[data.type](data);
  });
  addEventListener("keydown", (event) => event.key === "Escape" && close());

  window.Kefu = {
    open: () => open(),
    close,
    toggle,
    setUser(identity) {
      tell("user", { identity: (init.identity = identity) });
    },
    setLocale(value) {
      locale = value;
      if (frame) load();
    },
    setAttributes(attributes) {
      tell("attributes", { attributes: (init.attributes = attributes) });
    },
    on(name, call) {
      listeners[name].add(call);
      return () => listeners[name].delete(call);
    },
    reset() {
      init.identity = init.attributes = undefined;
      tell("reset");
    },
  };

  const begin = () => {
    const root = make("kefu-widget", "").attachShadow({ mode: "closed" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css);
    root.adoptedStyleSheets = [sheet];
    root.append(box);
    document.body.append(root.host);
    show();
    const past = remembered();
    if (past === "open" && innerWidth > 520) open(false);
    else if (past && past !== "dismissed") setTimeout(() => frame || load(), 1500); // it counts what is unread
    else if (!past && greeting && given.bubble !== "off") setTimeout(() => (bubble.hidden = isOpen), 2500);
    dispatchEvent(new Event("kefu:ready"));
  };
  document.body ? begin() : addEventListener("DOMContentLoaded", begin);
})();
