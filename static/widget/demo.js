/** The demo company's own page: its colour, and its buttons that open the chat. */
import { inkOn, readableOn } from "../shared/colour.js";

const root = document.documentElement;
const { accent } = document.body.dataset;
const isDark = matchMedia("(prefers-color-scheme: dark)").matches;

if (/^#[0-9a-f]{6}$/i.test(accent ?? "")) {
  root.style.setProperty("--brand", accent);
  root.style.setProperty("--on-brand", inkOn(accent));
  root.style.setProperty("--brand-text", readableOn(isDark ? "#16191e" : "#ffffff", accent));
}

for (const button of document.querySelectorAll("[data-ask]")) {
  button.addEventListener("click", () => window.Kefu?.open());
}
