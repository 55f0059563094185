// The log: bytes by their place in a file, each once; lines as text; no more of them than a page can hold.
import { el, byId } from "./tables.js";

const MOST_LINES = 5000, MOST_WHILE_READING = 20000, LONGEST_LINE = 4000, LONGEST_BYTES = 64 << 10, EARLIER_BYTES = 256 << 10;
const SEQUENCES = /\x1b(?:\[[0-?]*[ -\/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[PX^_][^\x1b]*\x1b\\|[ -\/]*[0-~])/g;
const CONTROLS = /[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]/g;
const TROUBLE = /\b(?:Error|ERROR|Exception|Traceback|FATAL|Fatal|Killed|nan)\b|Error:/, CARE = /\bWARN(?:ING)?\b|Warning:/;
const decoder = new TextDecoder();

/** What a terminal would show of it at last: progress bars go back to the line's beginning. */
export function shown(bytes) {
  let text = decoder.decode(bytes).replace(SEQUENCES, "").replace(/\r+$/, "");
  text = text.slice(text.lastIndexOf("\r") + 1).replace(CONTROLS, "\ufffd");
  return text.length > LONGEST_LINE ? text.slice(0, LONGEST_LINE) + " … " + (text.length - LONGEST_LINE) + " more characters" : text;
}

export class Log {
  constructor(fetchPart) {
    this.fetchPart = fetchPart;
    this.box = byId("lines");
    this.text = byId("text");
    this.earlier = byId("earlier");
    this.toEnd = byId("to-end");
    this.following = true;
    this.fresh = [];
    this.scheduled = false;
    this.top = 0;
    new ResizeObserver(() => { if (this.following) this.box.scrollTop = this.box.scrollHeight; }).observe(this.box);
    this.box.addEventListener("scroll", () => this.scrolled());
    this.earlier.addEventListener("click", () => this.loadEarlier());
    this.toEnd.addEventListener("click", () => this.follow());
    this.clear();
  }

  clear() {
    this.files = new Map(); // file -> {next: offset of the next byte, rest: bytes of a line without an end, open: its element}
    this.fresh = [];
    this.words = this.words || "";
    this.single = true;
    this.text.replaceChildren();
    this.earlier.hidden = true;
    this.follow();
  }

  /** A piece of a file; what was here before is left out. */
  take({ file, offset, rank, bytes }) {
    const data = Uint8Array.from(atob(bytes), (character) => character.charCodeAt(0));
    let known = this.files.get(file);
    if (!known) {
      known = { next: offset, at: offset, rest: new Uint8Array(), open: null };
      this.files.set(file, known);
    }
    const skip = known.next - offset;
    if (skip >= data.length) return;
    const fresh = skip > 0 ? data.subarray(skip) : data;
    known.next = offset + data.length;
    const whole = new Uint8Array(known.rest.length + fresh.length);
    whole.set(known.rest);
    whole.set(fresh, known.rest.length);
    let start = 0;
    for (let end = whole.indexOf(10); end >= 0; end = whole.indexOf(10, start)) {
      this.push(known, file, rank, whole.subarray(start, end), end + 1 - start);
      start = end + 1;
    }
    known.rest = whole.slice(start);
    if (known.rest.length > LONGEST_BYTES) {
      this.push(known, file, rank, known.rest, known.rest.length);
      known.rest = new Uint8Array();
    }
    known.rank = rank;
    this.single = this.single && rank == null;
    if (!this.scheduled) {
      this.scheduled = true;
      requestAnimationFrame(() => this.draw());
    }
  }

  push(known, file, rank, bytes, size) {
    this.fresh.push({ file, rank, at: known.at, text: shown(bytes), known });
    known.at += size;
    if (this.fresh.length > 2 * MOST_LINES) this.fresh.splice(0, MOST_LINES); // what would be thrown away at once
  }

  line({ file, rank, at, text }) {
    const made = el("div", { class: "l" + (TROUBLE.test(text) ? " trouble" : CARE.test(text) ? " care" : "") });
    if (rank != null) made.append(el("span", { class: "rank rank-" + rank % 8 }, "[" + rank + "] "));
    made.append(text || "\u200b");
    made.place = { file, rank, at };
    made.hidden = !text.includes(this.words);
    return made;
  }

  draw() {
    this.scheduled = false;
    for (const known of this.files.values()) known.open?.remove(), known.open = null;
    this.text.append(...this.fresh.splice(0).map((line) => this.line(line)));
    for (const [file, known] of this.files) {
      if (!known.rest.length) continue;
      known.open = this.line({ file, rank: known.rank, at: known.at, text: shown(known.rest) });
      this.text.append(known.open);
    }
    const most = this.following ? MOST_LINES : MOST_WHILE_READING;
    for (let over = this.text.childElementCount - most; over > 0; over--) this.text.firstElementChild.remove();
    this.offerEarlier();
    if (this.following) this.box.scrollTop = this.box.scrollHeight;
  }

  offerEarlier() {
    const first = this.text.firstElementChild;
    this.earlier.hidden = !(first && first.place.at > 0 && (first.place.rank == null || this.files.size === 1));
  }

  async loadEarlier() {
    const first = this.text.firstElementChild;
    if (!first || this.earlier.disabled) return;
    const { file, at } = first.place, start = Math.max(0, at - EARLIER_BYTES);
    this.earlier.disabled = true;
    try {
      const data = new Uint8Array(await this.fetchPart(file, start, at));
      if (this.text.firstElementChild !== first) return;
      const lines = [];
      let from = start && data.indexOf(10) >= 0 ? data.indexOf(10) + 1 : 0;
      for (let end = data.indexOf(10, from); end >= 0; end = data.indexOf(10, from)) {
        lines.push(this.line({ file, rank: first.place.rank, at: start + from, text: shown(data.subarray(from, end)) }));
        from = end + 1;
      }
      if (from < data.length) lines.push(this.line({ file, rank: first.place.rank, at: start + from, text: shown(data.subarray(from)) }));
      this.following = false;
      const before = this.box.scrollHeight;
      this.text.prepend(...lines);
      this.box.scrollTop += this.box.scrollHeight - before;
      this.offerEarlier();
      this.toEnd.hidden = false;
    } finally {
      this.earlier.disabled = false;
    }
  }

  filter(words) {
    this.words = words;
    for (const line of this.text.children) line.hidden = !line.textContent.includes(words);
    if (this.following) this.box.scrollTop = this.box.scrollHeight;
  }

  scrolled() {
    const atEnd = this.box.scrollTop + this.box.clientHeight >= this.box.scrollHeight - 24;
    // Only who goes up leaves the end: lines that are added, or are wrapped anew, are no wish to stay behind.
    this.following = atEnd || (this.following && this.box.scrollTop >= this.top);
    this.top = this.box.scrollTop;
    this.toEnd.hidden = this.following;
  }

  follow() {
    this.following = true;
    this.toEnd.hidden = true;
    this.box.scrollTop = this.box.scrollHeight;
  }
}
