/** Times as people read them, in the language of the page. All take an ISO string, a number of ms or a Date. */
const DAY = 24 * 3600 * 1000;
const STEPS = [
  ["year", 365 * DAY],
  ["month", 30 * DAY],
  ["day", DAY],
  ["hour", 3600 * 1000],
  ["minute", 60 * 1000],
];

const language = () => document.documentElement.lang || "en";
const midnight = (at) => new Date(at).setHours(0, 0, 0, 0);

/** "14:05" */
export function clock(at) {
  const style = { hour: "2-digit", minute: "2-digit", hour12: false };
  return new Intl.DateTimeFormat(language(), style).format(new Date(at));
}

/** "today", "yesterday", "12 March", "12 March 2024" */
export function day(at) {
  const ago = Math.round((midnight(Date.now()) - midnight(at)) / DAY);
  if (ago === 0 || ago === 1) return new Intl.RelativeTimeFormat(language(), { numeric: "auto" }).format(-ago, "day");
  const isThisYear = new Date(at).getFullYear() === new Date().getFullYear();
  const year = isThisYear ? {} : { year: "numeric" };
  return new Intl.DateTimeFormat(language(), { month: "long", day: "numeric", ...year }).format(new Date(at));
}

export function isSameDay(a, b) {
  return midnight(a) === midnight(b);
}

/** Everything, for a title attribute. */
export function moment(at) {
  return new Intl.DateTimeFormat(language(), { dateStyle: "full", timeStyle: "medium" }).format(new Date(at));
}

/** "now", "3 minutes ago"; `style: "narrow"` for lists. */
export function relative(at, style = "long") {
  const gap = new Date(at) - Date.now();
  const format = new Intl.RelativeTimeFormat(language(), { numeric: "auto", style });
  const [unit, length] = STEPS.find(([, ms]) => Math.abs(gap) >= ms) ?? ["second", Infinity];
  return format.format(Math.trunc(gap / length) || 0, unit);
}

/** "45 sec", "3 min", "2 hr", "3 分钟": a span, rounded to its largest unit. */
export function span(seconds) {
  const [unit, length] = [["hour", 3600], ["minute", 60]].find(([, size]) => seconds >= size) ?? ["second", 1];
  const value = Math.round(seconds / length);
  const text = new Intl.NumberFormat(language(), { style: "unit", unit, unitDisplay: "short" }).format(value);
  return text.replace(/(\d)(\p{Script=Han})/u, "$1 $2");
}

/** "0.1 kB", "380 kB", "1.2 MB" */
export function fileSize(bytes) {
  const [unit, length] = bytes >= 2 ** 20 ? ["megabyte", 2 ** 20] : ["kilobyte", 2 ** 10];
  const style = { style: "unit", unit, unitDisplay: "short", maximumFractionDigits: bytes < 10 * length ? 1 : 0 };
  return new Intl.NumberFormat(language(), style).format(Math.max(bytes / length, 0.1));
}

/** `fill(gettext("%(n)s of %(total)s"), {n: 1, total: 2})`: the server's catalogue marks places the Python way. */
export function fill(text, values) {
  return text.replace(/%\((\w+)\)s/g, (whole, name) => String(values[name] ?? whole));
}
