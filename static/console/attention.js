/** Calls an agent back: a short tone, a blinking title, a desktop notification. Quiet while the agent looks. */

const MUTED_KEY = "kefu.console.muted";
const BLINK_EVERY = 1200;

/** Notes of each call: [hertz, start, length] in seconds. */
const TONES = {
  waiting: [[659, 0, 0.16], [880, 0.14, 0.26]],
  assigned: [[659, 0, 0.16], [880, 0.14, 0.26]],
  passed: [[659, 0, 0.16], [880, 0.14, 0.26]],
  moved: [[880, 0, 0.16], [659, 0.14, 0.26]],
  message: [[784, 0, 0.14]],
};

export class Attention extends EventTarget {
  #title = document.title;
  #blinking = null;
  #audio = null;

  constructor() {
    super();
    document.addEventListener("visibilitychange", () => document.hidden || this.#stopBlinking());
    // Browsers keep sound silent until the first gesture.
    document.addEventListener("pointerdown", () => this.#wakeAudio(), { once: true });
    document.addEventListener("keydown", () => this.#wakeAudio(), { once: true });
  }

  get muted() {
    return localStorage.getItem(MUTED_KEY) === "yes";
  }

  set muted(value) {
    localStorage.setItem(MUTED_KEY, value ? "yes" : "no");
    this.dispatchEvent(new Event("change"));
    if (!value) this.#play("message");
  }

  get canAskToNotify() {
    return "Notification" in window && Notification.permission === "default";
  }

  async askToNotify() {
    await Notification.requestPermission();
    this.dispatchEvent(new Event("change"));
  }

  set unread(count) {
    const base = this.#title.replace(/^\(\d+\) /, "");
    this.#title = count > 0 ? `(${count}) ${base}` : base;
    if (!this.#blinking) document.title = this.#title;
  }

  /** call(one of TONES, {title, body, conversation}, open) */
  call(kind, news, open) {
    if (!this.muted) this.#play(kind);
    if (!document.hidden) return;
    this.#blink(news.title);
    this.#notify(news, open);
  }

  #wakeAudio() {
    this.#audio ??= new AudioContext();
    this.#audio.resume();
  }

  #play(kind) {
    if (this.#audio?.state !== "running") return;
    for (const [hertz, start, length] of TONES[kind]) this.#tone(hertz, this.#audio.currentTime + start, length);
  }

  #tone(hertz, start, length) {
    const volume = new GainNode(this.#audio, { gain: 0 });
    const tone = new OscillatorNode(this.#audio, { frequency: hertz });
    volume.gain.setValueAtTime(0, start);
    volume.gain.linearRampToValueAtTime(0.12, start + 0.02);
    volume.gain.exponentialRampToValueAtTime(0.001, start + length);
    tone.connect(volume).connect(this.#audio.destination);
    tone.start(start);
    tone.stop(start + length);
  }

  #blink(text) {
    clearInterval(this.#blinking);
    let shown = false;
    const turn = () => (document.title = (shown = !shown) ? `● ${text}` : this.#title);
    turn();
    this.#blinking = setInterval(turn, BLINK_EVERY);
  }

  #stopBlinking() {
    clearInterval(this.#blinking);
    this.#blinking = null;
    document.title = this.#title;
  }

  #notify({ title, body, conversation }, open) {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    // One notification per conversation: a newer one takes the older one's place.
    const notification = new Notification(title, { body, tag: conversation });
    notification.onclick = () => {
      window.focus();
      open(conversation);
      notification.close();
    };
  }
}
