// Builds what the tables show. What runs and hosts say becomes text nodes, never markup.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

export const byId = (id) => document.getElementById(id);
const STATES = ["staging", "queued", "running", "succeeded", "failed", "cancelled", "lost"];
export const pill = (state) => {
  const known = STATES.includes(String(state).toLowerCase()) ? " state-" + state.toLowerCase() : "";
  return el("span", { class: "state" + known }, String(state));
};

export function duration(seconds) {
  if (typeof seconds !== "number" || !isFinite(seconds)) return "";
  const whole = Math.max(0, Math.round(seconds));
  const two = (n) => String(n).padStart(2, "0");
  if (whole < 60) return whole + " s";
  if (whole < 3600) return Math.floor(whole / 60) + " min " + two(whole % 60) + " s";
  if (whole < 86400) return Math.floor(whole / 3600) + " h " + two(Math.floor(whole % 3600 / 60)) + " min";
  return Math.floor(whole / 86400) + " d " + two(Math.floor(whole % 86400 / 3600)) + " h";
}

/** Since a time of this machine's clock; counts on between events. */
export const ago = (at) => el("span", { "data-at": at }, duration(Date.now() / 1000 - at));
export const tick = () => document.querySelectorAll("[data-at]").forEach((shown) => {
  const now = duration(Date.now() / 1000 - Number(shown.dataset.at));
  if (shown.textContent !== now) shown.textContent = now;
});

export function bar(share, word) {
  const percent = Math.round(100 * Math.min(1, Math.max(0, share)));
  const back = el("span", { class: "meter", role: "img", "aria-label": word || percent + " %" });
  const fill = el("span", { class: "meter-fill" });
  fill.style.width = percent + "%";
  back.append(fill);
  return back;
}

const dash = (value) => value == null || value === "" ? "–" : String(value);
const told = (value, unit) => value == null ? el("span", { class: "unknown" }, "unknown") : value + " " + unit;

export function runRow(run, chosen) {
  const link = el("a", { href: "#" + encodeURIComponent(run.run_id), "aria-current": run.run_id === chosen && "true" }, run.run_id);
  const share = run.iters ? run.iter / run.iters : null;
  const progress = share == null ? el("td", {}, "–")
    : el("td", { class: "progress" }, bar(share, Math.floor(100 * share) + " %"), el("small", {}, run.iter.toLocaleString("en") + " / " + run.iters.toLocaleString("en")));
  const why = el("td", { class: "why-cell" });
  if (run.away) why.append("cannot ask the host: " + (run.error || ""), ...(run.seen_at ? [", seen ", ago(run.seen_at), " ago"] : []));
  else why.append(run.why || "");
  return el("tr", { class: (run.run_id === chosen ? "chosen" : "") + (run.away ? " away" : "") },
    el("th", { scope: "row" }, link), el("td", {}, pill(run.state)), el("td", {}, dash(run.stage)), progress,
    el("td", {}, dash(duration(run.eta_s))), el("td", {}, run.best_miou == null ? "–" : run.best_miou.toFixed(4)), el("td", {}, run.host), why);
}

export function stageStep(stage, now) {
  const began = stage.started_at, ended = stage.ended_at;
  const took = began ? duration((ended || now) - began) : "";
  const tries = stage.attempts > 1 ? ", attempt " + stage.attempts : "";
  const state = STATES.includes(String(stage.state).toLowerCase()) ? stage.state.toLowerCase() : "waiting";
  return el("li", { class: "step step-" + state, title: stage.reason }, el("b", {}, stage.name), " ", el("span", {}, String(stage.state).toLowerCase() + tries), " ", el("small", {}, took));
}

export function classRow(row) {
  const cells = ["iou", "precision", "recall"].map((name) => el("td", {}, row[name] == null ? "–" : row[name].toFixed(4)));
  return el("tr", {}, el("th", { scope: "row" }, row.name), ...cells);
}

const HEAD = ["Card", "Health", "Load", "Memory", "Temperature", "Power", "Who has it"];

export function hostCards(name, host) {
  const found = host.told, parts = [el("h3", {}, name)];
  if (found?.driver) parts[0].append(el("small", {}, " driver " + found.driver));
  if (host.error) parts.push(el("p", { class: "notice" }, "cannot ask the host: " + host.error, ...(host.seen_at ? ["; what is shown is ", ago(host.seen_at), " old"] : [])));
  if (!found && !host.error) parts.push(el("p", { class: "none" }, "asking"));
  if (found && found.unknown) parts.push(el("p", { class: "none" }, "Which cards there are is unknown: " + found.unknown));
  if (found?.cards) {
    const head = el("tr", {}, ...HEAD.map((word) => el("th", { scope: "col" }, word)));
    parts.push(el("div", { class: "scroll" }, el("table", {}, el("thead", {}, head), el("tbody", {}, ...found.cards.map(cardRow)))));
  }
  for (const warning of found?.warnings || []) parts.push(el("p", { class: "hint-line" }, String(warning)));
  return el("section", { class: "host" + (host.error ? " away" : ""), "aria-label": "Cards of " + name }, ...parts);
}

function cardRow(card) {
  const [used, total] = card.hbm_total_mb != null ? [card.hbm_used_mb, card.hbm_total_mb] : [card.memory_used_mb, card.memory_total_mb];
  const memory = used != null && total ? el("td", { class: "progress" }, bar(used / total, Math.round(100 * used / total) + " % used"), el("small", {}, (used / 1024).toFixed(1) + " / " + (total / 1024).toFixed(0) + " GiB")) : el("td", {}, told(null));
  const load = card.aicore_percent == null ? el("td", {}, told(null)) : el("td", { class: "progress" }, bar(card.aicore_percent / 100), el("small", {}, card.aicore_percent + " %"));
  const name = card.npu == null ? "?" : card.chip ? card.npu + "." + card.chip : String(card.npu);
  return el("tr", {}, el("th", { scope: "row" }, name), el("td", { class: card.health === "OK" ? "good" : "bad" }, dash(card.health)), load, memory,
    el("td", {}, told(card.temperature_c, "°C")), el("td", {}, told(card.power_w, "W")), el("td", {}, holder(card)));
}

function holder(card) {
  if (card.holder === "held") return el("span", {}, el("a", { href: "#" + encodeURIComponent(card.run_id || "") }, dash(card.run_id)), card.by ? " (" + card.by + ")" : "");
  if (card.holder === "foreign") return el("span", { class: "bad" }, card.processes.map((one) => (one.name || "?") + " [" + one.pid + "]" + (one.user ? " of " + one.user : "")).join(", "));
  return el("span", { class: card.holder === "free" ? "good" : "unknown" }, card.holder);
}
