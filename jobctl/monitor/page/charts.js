"use strict";
// Draws charts (jobctl/monitor/charts.py) with uPlot: zoom by dragging, buttons and keys; values under the pointer in a line below.
const jobctlCharts = (() => {
  const INKS = {
    light: { axis: "#5d656e", grid: "#e9e7e3", lines: ["#1f5fa8", "#c2571a", "#1b7f4d", "#8e3b8e", "#a67c00", "#00838f", "#b3261e", "#5b5fc7"] },
    dark: { axis: "#a3abb3", grid: "#2a3036", lines: ["#7fb2ee", "#f0985f", "#6fd39c", "#d695d6", "#e6c35c", "#5fd0da", "#ff8f86", "#a9acff"] },
  };
  const dark = matchMedia("(prefers-color-scheme: dark)");
  let onPaper = false;
  const inks = () => INKS[dark.matches && !onPaper ? "dark" : "light"];
  const number = (value) => {
    if (value == null) return "–";
    const size = Math.abs(value);
    if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(2);
    return String(+value.toPrecision(5));
  };
  const place = (chart, x) => chart.time ? new Date(x * 1000).toISOString().replace("T", " ").slice(0, 19) + " UTC" : chart.x_name + " " + x;

  function table(chart) {
    // Each series has its own x; a point that is missing in one is bridged there, a value that is null is a gap.
    const tables = chart.series.map((series) => [series.x, series.y]);
    return tables.length === 1 ? tables[0] : uPlot.join(tables, tables.map(() => [0, 1]));
  }

  function options(chart, width, height, tell) {
    const axis = { stroke: () => inks().axis, grid: { stroke: () => inks().grid, width: 1 }, ticks: { show: false }, font: "12px system-ui, sans-serif" };
    // Runs may lie exactly on one another, so those of a comparison differ in more than their colour.
    const dash = (at) => chart.compare ? [[], [9, 5], [3, 4], [12, 3, 3, 3]][at % 4] : [];
    let colour = 0;
    const lines = chart.series.map((series) => {
      const at = series.faint ? colour : colour++;
      const stroke = () => inks().lines[at % inks().lines.length] + (series.faint ? "55" : "");
      return { label: series.name, stroke, width: series.faint ? 1 : 1.75, dash: dash(at), points: { show: series.x.length < 40, size: 5 }, spanGaps: chart.series.length > 1 };
    });
    return {
      width, height, legend: { show: false }, cursor: { drag: { x: true, y: false }, points: { size: 6 } },
      scales: { x: { time: false } },
      series: [{}, ...lines],
      axes: [{ ...axis, size: 32, values: (u, splits) => splits.map((x) => chart.time ? new Date(x * 1000).toISOString().slice(11, 16) : x >= 10000 ? +(x / 1000).toFixed(1) + "k" : Number.isInteger(x) ? String(x) : "") },
        { ...axis, size: 58, values: (u, splits) => splits.map((y) => number(+y.toPrecision(10))) }],
      hooks: { setCursor: [(u) => tell(u)] },
    };
  }

  function draw(figure, chart) {
    const plot = figure.querySelector(".plot"), readout = figure.querySelector(".readout");
    let data = table(chart);
    const tell = (u) => {
      const at = u.cursor.idx;
      readout.replaceChildren();
      if (at == null) return legend();
      readout.append(place(chart, u.data[0][at]) + "  ");
      entries((index) => number(nearest(u.data[index + 1], at)));
    };
    const nearest = (values, at) => {
      for (let step = 0; step < 400; step++) {
        if (values[at - step] != null) return values[at - step];
        if (values[at + step] != null) return values[at + step];
      }
      return null;
    };
    const entries = (word) => chart.series.forEach((series, index) => {
      if (series.faint && chart.series.length > 1 && word === legendWord) return;
      const key = document.createElement("span"), text = document.createElement("b");
      key.className = "key";
      key.style.background = u ? u.series[index + 1].stroke() : "";
      text.append(key, series.name + (word(index) ? " " + word(index) : ""));
      readout.append(text);
    });
    const legendWord = () => "";
    const legend = () => { readout.replaceChildren(); entries(legendWord); };
    const height = () => plot.closest(".small") ? 160 : 228;
    let u = null;
    u = new uPlot(options(chart, plot.clientWidth || 420, height(), tell), data, plot);
    legend();
    const whole = () => [data[0][0], data[0][data[0].length - 1]];
    const zoom = (factor) => {
      const [low, high] = [u.scales.x.min, u.scales.x.max], [first, last] = whole();
      const middle = u.cursor.idx != null ? data[0][u.cursor.idx] : (low + high) / 2, half = (high - low) * factor / 2;
      const min = Math.max(first, middle - half), max = Math.min(last, middle + half);
      if (max > min) u.setScale("x", { min, max });
    };
    const reset = () => { const [min, max] = whole(); u.setScale("x", { min, max }); };
    const move = (step) => {
      const start = u.cursor.idx ?? (step > 0 ? -1 : data[0].length);
      const at = Math.min(data[0].length - 1, Math.max(0, start + step));
      u.setCursor({ left: u.valToPos(data[0][at], "x"), top: u.bbox.height / devicePixelRatio / 2 });
    };
    const acts = { in: () => zoom(0.5), out: () => zoom(2), reset };
    figure.querySelectorAll("[data-do]").forEach((button) => button.addEventListener("click", acts[button.dataset.do]));
    const keys = { "+": acts.in, "=": acts.in, "-": acts.out, "0": reset, Escape: reset, ArrowRight: () => move(1), ArrowLeft: () => move(-1), PageDown: () => move(20), PageUp: () => move(-20), Home: () => move(-1e9), End: () => move(1e9) };
    plot.addEventListener("keydown", (event) => { const act = keys[event.key]; if (act && !event.ctrlKey && !event.metaKey) { act(); event.preventDefault(); } });
    new ResizeObserver(() => { if (plot.clientWidth && plot.clientWidth !== u.width) u.setSize({ width: plot.clientWidth, height: height() }); }).observe(plot);
    const update = (next) => { // the same series, more values; who has zoomed in stays there
      const zoomed = u.scales.x.min > data[0][0] || u.scales.x.max < data[0][data[0].length - 1];
      chart = next;
      data = table(next);
      u.setData(data, !zoomed);
      if (zoomed) u.redraw();
      if (u.cursor.idx == null) legend();
    };
    return { update, redraw: () => { u.redraw(false, true); legend(); }, fit: (width) => u.setSize({ width, height: height() }) };
  }

  function drawAll(charts) {
    const drawn = [];
    for (const chart of charts) {
      const figure = document.querySelector('[data-chart="' + CSS.escape(chart.id) + '"]');
      if (figure) drawn.push(draw(figure, chart));
    }
    const again = () => drawn.forEach((one) => one.redraw());
    dark.addEventListener("change", again);
    addEventListener("beforeprint", () => { onPaper = true; again(); });
    addEventListener("afterprint", () => { onPaper = false; again(); });
    return drawn;
  }
  return { drawAll, draw };
})();
