// The page: one stream of events for all that it shows; a stream that is cut goes on where it stopped.
import { ago, bar, byId, classRow, duration, el, hostCards, pill, runRow, stageStep, tick } from "./tables.js";
import { Log } from "./log.js";

const SILENT_MS = 25000, LOOK_MS = 5000, HIDDEN_MS = 300000, SECTIONS = ["runs", "run", "log", "cards"];
const FINAL = ["SUCCEEDED", "FAILED", "CANCELLED"];
let hub = null, chosen = null, source = null, after = null, heard = Date.now(), logEnded = false, wentHidden = 0;
const drawn = new Map(); // chart id -> {figure, signature, plot}

const log = new Log(async (file, start, end) => {
  const query = new URLSearchParams({ run: chosen, rank: rank(), file, start, end });
  const answer = await fetch("/log?" + query);
  if (!answer.ok) throw new Error(await answer.text());
  return answer.arrayBuffer();
});

// -- the stream -------------------------------------------------------------------------------------------------------
function connect() {
  source?.close();
  const query = new URLSearchParams({ run: chosen || "", rank: rank() });
  if (after) query.set("after", after);
  const mine = source = new EventSource("/events?" + query);
  heard = Date.now();
  const on = (name, take) => mine.addEventListener(name, (event) => {
    if (mine !== source) return;
    heard = Date.now();
    line("live", "live");
    take(JSON.parse(event.data), event);
  });
  on("hub", (data) => { hub = data; showHub(); });
  on("curves", showCurves);
  on("log", (data, event) => { after = event.lastEventId || after; note(""); log.take(data); });
  on("log-end", (data) => { logEnded = true; mine.lastState = data.state; note("The log ends here: " + data.state + (data.reason ? ", " + data.reason : "")); });
  on("log-note", (data) => note(data.note));
  on("beat", () => {});
  mine.onopen = () => { heard = Date.now(); line("live", "live"); };
  mine.onerror = () => {
    if (mine !== source) return;
    line("cut", "not connected: trying again. If jobctl ui has ended, start it again");
    if (mine.readyState === EventSource.CLOSED) setTimeout(() => { if (mine === source) connect(); }, 2000);
  };
}

const line = (kind, words) => {
  const shown = byId("line");
  if (shown.textContent !== words) shown.textContent = words;
  shown.className = "line line-" + kind;
};
const note = (words) => { if (byId("log-note").textContent !== words) byId("log-note").textContent = words; };

/** After sleep a stream can look open and be dead: it is judged by when it was heard last. */
function lookAtLine() {
  tick();
  if (document.hidden) {
    if (source && wentHidden && Date.now() - wentHidden > HIDDEN_MS) { source.close(); source = null; } // browsers bear six streams
    return;
  }
  if (!source || Date.now() - heard > SILENT_MS) connect();
}
setInterval(lookAtLine, LOOK_MS);
setInterval(tick, 1000);
addEventListener("online", connect);
document.addEventListener("visibilitychange", () => { wentHidden = document.hidden ? Date.now() : 0; lookAtLine(); });

// -- runs and the chosen one ------------------------------------------------------------------------------------------
const rank = () => byId("which").value === "one" ? byId("rank").value || "0" : byId("which").value;

function choose(runId) {
  if (runId === chosen) return;
  chosen = runId;
  clearRun();
  connect();
  if (hub) showHub();
}

function clearRun() {
  after = null;
  logEnded = false;
  note("");
  log.clear();
  for (const id of ["figures", "findings", "charts", "host-charts", "class-rows"]) byId(id).replaceChildren();
  drawn.clear();
  byId("classes").hidden = byId("over-time").hidden = true;
  byId("no-curves").hidden = false;
}

function fromAddress() {
  let wanted = "";
  try { wanted = decodeURIComponent(location.hash.slice(1)); } catch { /* not one of ours */ }
  if (SECTIONS.includes(wanted) || !wanted) return chosen || hub?.runs[0]?.run_id || null;
  return hub?.runs.some((run) => run.run_id === wanted) ? wanted : chosen || hub?.runs[0]?.run_id || null;
}
addEventListener("hashchange", () => { const wanted = fromAddress(); if (wanted) choose(wanted); });

/** Puts rows in place of others where they differ, so that focus and selection stay. */
function fill(parent, made) {
  const old = [...parent.children];
  made.forEach((row, at) => {
    if (!old[at]) parent.append(row);
    else if (!old[at].isEqualNode(row)) {
      const focused = old[at].contains(document.activeElement);
      old[at].replaceWith(row);
      if (focused) row.querySelector("a, button")?.focus();
    }
  });
  old.slice(made.length).forEach((row) => row.remove());
}

function showHub() {
  const wanted = fromAddress();
  if (wanted && wanted !== chosen) return choose(wanted);
  fill(byId("rows"), hub.runs.map((run) => runRow(run, chosen)));
  byId("none").hidden = hub.runs.length > 0;
  byId("count").textContent = hub.runs.length || "";
  const hosts = Object.entries(hub.hosts);
  byId("cards").hidden = byId("to-cards").hidden = !hosts.length;
  fill(byId("hosts"), hosts.map(([name, host]) => hostCards(name, host)));
  const run = hub.runs.find((one) => one.run_id === chosen);
  byId("run").hidden = !run;
  if (run) showRun(run);
  document.documentElement.dataset.ready = "";
}

function showRun(run) {
  const share = run.iters ? Math.floor(100 * run.iter / run.iters) + " % · " : "";
  document.title = (run.state === "RUNNING" ? share : run.state.toLowerCase() + " · ") + run.run_id + " · jobctl";
  byId("h-run").textContent = run.run_id;
  byId("headline").replaceChildren(pill(run.state), " on ", el("strong", {}, run.host),
    ...(run.stage && run.state === "RUNNING" ? [", in stage ", el("strong", {}, run.stage)] : []),
    ...(run.cards.length ? [" · cards " + run.cards.join(", ")] : []),
    ...(run.state === "RUNNING" && run.started_at ? [" · for ", ago(run.started_at)] : run.ended_at && run.started_at ? [" · took " + duration(run.ended_at - run.started_at)] : []),
    ...(run.eta_s != null ? [" · ", el("strong", {}, duration(run.eta_s)), " left"] : []));
  const notices = [];
  if (run.away) notices.push(el("p", { class: "notice" }, "The host cannot be asked: " + run.error, ...(run.seen_at ? [". What is shown was seen ", ago(run.seen_at), " ago"] : [])));
  if (run.verdict && run.state !== "SUCCEEDED") notices.push(el("p", { class: "notice notice-bad" }, run.verdict));
  else if (run.why && run.state !== "RUNNING") notices.push(el("p", { class: "notice" }, run.why));
  for (const doing of hub.actions.filter((one) => one.run_id === run.run_id)) notices.push(actionNotice(doing));
  fill(byId("notices"), notices);
  fill(byId("stages"), run.stages.map((stage) => stageStep(stage, Date.now() / 1000)));
  const final = FINAL.includes(run.state), busy = (kind) => hub.actions.some((one) => one.run_id === run.run_id && one.kind === kind && !one.ended);
  byId("cancel").disabled = final || busy("cancel");
  byId("pull").disabled = busy("pull");
  byId("report").href = "/report?" + new URLSearchParams({ run: run.run_id });
  if (logEnded && !final && run.state !== "LOST" && !run.away) { logEnded = false; connect(); } // it was resumed
}

function actionNotice(doing) {
  const what = { pull: "Pull", cancel: "Cancel" }[doing.kind] || doing.kind;
  const made = el("p", { class: "notice" + (doing.failed ? " notice-bad" : doing.ended ? " notice-good" : "") }, el("strong", {}, what + ": "), doing.note || "begins");
  if (!doing.ended && doing.total) made.append(" ", bar(doing.done / doing.total));
  return made;
}

async function act(kind) {
  const answer = await fetch("/runs/" + encodeURIComponent(chosen) + "/" + kind, { method: "POST", headers: { "X-Jobctl": "1" } });
  if (!answer.ok && answer.status !== 409) byId("notices").append(el("p", { class: "notice notice-bad" }, await answer.text()));
}
byId("pull").addEventListener("click", () => act("pull"));
byId("cancel").addEventListener("click", () => { byId("sure-name").textContent = chosen; byId("sure").returnValue = ""; byId("sure").showModal(); });
byId("sure").addEventListener("close", () => { if (byId("sure").returnValue === "yes") act("cancel"); });
byId("skip").addEventListener("click", (event) => { event.preventDefault(); byId("run").focus(); });
document.querySelectorAll("[data-to]").forEach((link) => link.addEventListener("click", (event) => {
  event.preventDefault();
  byId(link.dataset.to).scrollIntoView({ behavior: "smooth" });
}));

// -- log --------------------------------------------------------------------------------------------------------------
function otherLog() {
  byId("rank-of").hidden = byId("which").value !== "one";
  after = null;
  logEnded = false;
  note("");
  log.clear();
  connect();
}
byId("which").addEventListener("change", otherLog);
byId("rank").addEventListener("change", otherLog);
byId("filter").addEventListener("input", () => log.filter(byId("filter").value));

// -- curves -----------------------------------------------------------------------------------------------------------
function showCurves(data) {
  fill(byId("figures"), data.figures.map((row) => el("div", {}, el("dt", {}, row.label), el("dd", {}, el("b", {}, row.value), " ", el("span", {}, row.note)))));
  const mark = { ok: "good", warn: "look", note: "note" };
  const findings = data.findings.map((one) => el("li", { class: one.level }, el("span", { class: "mark" }, mark[one.level] || one.level), el("span", {}, one.text)));
  if (data.note) findings.unshift(el("li", { class: "warn" }, el("span", { class: "mark" }, "old"), el("span", {}, data.note)));
  fill(byId("findings"), findings);
  byId("no-curves").hidden = data.charts.length > 0;
  data.charts.forEach((chart) => showChart(chart, "charts"));
  data.host_charts.forEach((chart) => showChart(chart, "host-charts"));
  byId("over-time").hidden = !data.host_charts.length;
  for (const [id, one] of drawn) if (![...data.charts, ...data.host_charts].some((chart) => chart.id === id)) { one.figure.remove(); drawn.delete(id); }
  byId("classes").hidden = !data.classes;
  if (data.classes) fill(byId("class-rows"), data.classes.rows.map(classRow));
}

function showChart(chart, place) {
  const signature = JSON.stringify(chart.series.map((series) => [series.name, series.faint, series.x.length < 40]));
  const old = drawn.get(chart.id);
  if (old && old.signature === signature) {
    old.plot.update(chart);
    describe(old.figure, chart);
    return;
  }
  const figure = makeFigure(chart);
  if (old) old.figure.replaceWith(figure);
  else byId(place).append(figure);
  drawn.set(chart.id, { figure, signature, plot: jobctlCharts.draw(figure, chart) });
}

function makeFigure(chart) {
  const tool = (act, sign, words) => el("button", { type: "button", "data-do": act, title: words, "aria-label": words + ": " + chart.title }, sign);
  const figure = el("figure", { class: "chart", "data-chart": chart.id },
    el("figcaption", {}, el("h3", {}, chart.title, chart.unit ? el("small", {}, " " + chart.unit) : null),
      el("span", { class: "tools" }, tool("in", "+", "Zoom in"), tool("out", "\u2212", "Zoom out"), tool("reset", "Reset", "Show the whole curve"))),
    el("div", { class: "plot", tabindex: "0", role: "img" }), el("p", { class: "readout" }));
  describe(figure, chart);
  return figure;
}
const describe = (figure, chart) => figure.querySelector(".plot").setAttribute("aria-label", chart.title + ": " + chart.summary.join(" "));
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => drawn.forEach((one) => one.plot.redraw()));

connect();
