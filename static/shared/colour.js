/** A company chooses any accent; these keep its text readable (WCAG 2.2 AA). Colours are "#rrggbb". */
const ENOUGH = 4.5;
const WHITE = "#ffffff";
const BLACK = "#14171c";

export function contrast(one, other) {
  const [dark, light] = [luminance(one), luminance(other)].sort((a, b) => a - b);
  return (light + 0.05) / (dark + 0.05);
}

/** The ink for text on `background`. */
export function inkOn(background) {
  return contrast(WHITE, background) >= Math.min(ENOUGH, contrast(BLACK, background)) ? WHITE : BLACK;
}

/** `colour`, moved towards black or white until it can be read on `background`. */
export function readableOn(background, colour) {
  const goal = luminance(background) > 0.4 ? 0 : 255;
  for (let share = 0; share < 1; share += 0.05) {
    const mixed = mix(colour, goal, share);
    if (contrast(mixed, background) >= ENOUGH) return mixed;
  }
  return mix(colour, goal, 1);
}

/** Sets the accent of a page from the tenant's policy; anything but "#rrggbb" is left alone. */
export function paint(root, accent) {
  if (!/^#[0-9a-f]{6}$/i.test(accent ?? "")) return;
  const isDark = matchMedia("(prefers-color-scheme: dark)").matches;
  const surface = isDark ? "#313640" : "#f4f5f7"; // the least favourable of the theme's
  root.style.setProperty("--accent", accent);
  root.style.setProperty("--on-accent", inkOn(accent));
  root.style.setProperty("--accent-text", readableOn(surface, accent));
}

function channels(colour) {
  return [1, 3, 5].map((start) => parseInt(colour.slice(start, start + 2), 16));
}

function luminance(colour) {
  const [red, green, blue] = channels(colour).map((value) => {
    const share = value / 255;
    return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

function mix(colour, goal, share) {
  const mixed = channels(colour).map((value) => Math.round(value + (goal - value) * share));
  return `#${mixed.map((value) => value.toString(16).padStart(2, "0")).join("")}`;
}
