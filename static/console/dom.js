/** The few DOM verbs the console is written in. Text always goes in as text. */

const ICONS = new URL("./icons.svg", import.meta.url);
const SVG = "http://www.w3.org/2000/svg";

/** element("button", {type: "button", onclick: f, hidden: true}, "Close") */
export function element(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) setAttribute(node, name, value);
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

function setAttribute(node, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
  else node.setAttribute(name, value === true ? "" : value);
}

/** button("plain", act, icon("done"), "Close") */
export function button(className, act, ...children) {
  return element("button", { type: "button", class: className, onclick: act }, ...children);
}

/** A button that is only a sign; its words are in the tooltip and for screen readers. */
export function iconButton(iconName, label, className, act) {
  const sign = button(`quiet ${className}`, act, icon(iconName));
  sign.title = label;
  sign.setAttribute("aria-label", label);
  return sign;
}

export function icon(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("class", "icon");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS(SVG, "use");
  use.setAttribute("href", `${ICONS.href}#${name}`);
  svg.append(use);
  return svg;
}

/** Make `children` the parent's children, touching only what is out of place: focus and scroll survive. */
export function arrange(parent, children) {
  const wanted = new Set(children);
  for (const child of [...parent.childNodes]) if (!wanted.has(child)) child.remove();
  children.forEach((child, index) => {
    const current = parent.childNodes[index] ?? null;
    if (current !== child) parent.insertBefore(child, current);
  });
}

/** A link only to where the web is: a visitor's page address is the visitor's own word. */
export function webLink(address, label) {
  if (!address || !URL.canParse(address, location.href)) return element("span", {}, label);
  const { protocol, href } = new URL(address, location.href);
  if (protocol !== "https:" && protocol !== "http:") return element("span", {}, label);
  return element("a", { href, target: "_blank", rel: "noopener noreferrer" }, label);
}

/** `draw`, at most once per frame however often it is asked for. */
export function oncePerFrame(draw) {
  let isPlanned = false;
  return () => {
    if (isPlanned) return;
    isPlanned = true;
    requestAnimationFrame(() => {
      isPlanned = false;
      draw();
    });
  };
}
