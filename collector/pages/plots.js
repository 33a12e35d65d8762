"use strict";
// What happened over time: calls and 429s against the learned limit, bytes, and how far the run was.

const LATE_S = 15;

class Plots {
  constructor(view) {
    this.view = view;
    this.made = [];
    this.sync = uPlot.sync("run");
    this.build();
    view.addEventListener("span", () => this.look());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
  }

  /** Draw anew: in other colours, or in another width. */
  redraw() {
    for (const { plot, chart } of this.made) {
      if (plot && chart.clientWidth && plot.width !== chart.clientWidth) plot.setSize({ width: chart.clientWidth, height: chart.clientHeight });
      else plot?.redraw(false, true);
    }
  }

  build() {
    const { byId, fill, make } = elements;
    for (const { plot, observer } of this.made) {
      plot?.destroy();
      observer.disconnect();
    }
    const open = new Set([...document.querySelectorAll(".plot details[open]")].map((one) => one.dataset.plot));
    const { page } = this.view.run;
    const series = this.view.run.running ? counted(page.series) : page.series;
    this.made = [];
    if (!series.calls.length) {
      fill(byId("plot-list"), make("p", { class: "quiet" }, "Nothing has happened yet."));
      return;
    }
    const start = this.view.run.origin / 1000;
    this.times = series.calls.map((_, bin) => start + bin * series.step_s);
    const drawn = [callsPlot(series), bytesPlot(series), progressPlot(series, page.totals)];
    fill(byId("plot-list"), drawn.map((plot) => this.frame(plot, open.has(plot.title))));
    for (const one of this.made) this.draw(one);
    this.look();
  }

  frame(kind, open) {
    const { make } = elements;
    const chart = make("div", { class: "chart", role: "img", "aria-label": `${kind.title}. ${kind.sentence}` });
    const readout = make("p", { class: "readout", "aria-hidden": "true" });
    const table = make("details", { "data-plot": kind.title, open, ontoggle: () => table.open && this.tell(table, kind) },
      make("summary", { class: "quiet" }, "As a table"));
    const observer = new ResizeObserver(() => {
      const one = this.made.find((other) => other.chart === chart);
      if (one?.plot && chart.clientWidth && one.plot.width !== chart.clientWidth) {
        one.plot.setSize({ width: chart.clientWidth, height: chart.clientHeight });
      }
    });
    observer.observe(chart);
    this.made.push({ kind, chart, readout, observer });
    if (open) this.tell(table, kind);
    return make("div", { class: "plot" }, make("h3", {}, kind.title), make("p", { class: "quiet" }, kind.sentence),
      make("ul", { class: "legend quiet" }, kind.lines.map((line) => {
        const key = make("span", { class: line.dash ? "key dashed" : "key" });
        key.style.borderColor = `var(--${line.colour})`;
        return make("li", {}, key, line.label);
      })), chart, readout, table);
  }

  draw(one) {
    const { kind, chart, readout } = one;
    const paint = (name) => () => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    const stepped = uPlot.paths.stepped({ align: 1 });
    const bars = uPlot.paths.bars({ size: [1, Infinity, 2], align: 1 });
    const font = "12px system-ui, sans-serif";
    const grid = { stroke: paint("grid-line"), width: 1 };
    one.plot = new uPlot({
      width: Math.max(200, chart.clientWidth),
      height: 200,
      tzDate: (seconds) => (words.zone.local ? new Date(seconds * 1000) : uPlot.tzDate(new Date(seconds * 1000), "Etc/UTC")),
      legend: { show: false },
      cursor: { sync: { key: this.sync.key }, drag: { x: true, y: false, setScale: false }, points: { size: 6 } },
      scales: { x: { time: true }, y: { range: (_, low, high) => [0, kind.top?.() ?? Math.max(high || 0, 1) * 1.08] } },
      axes: [
        { font, stroke: paint("quiet"), grid, ticks: { show: false }, values: (_, splits, axis, space, by) => splits.map((at) => timeText(at, by)), space: 90, size: 26 },
        { font, stroke: paint("quiet"), grid, ticks: { show: false }, values: (_, splits) => labels(splits, kind.unit), size: axisSize },
      ],
      series: [
        {},
        ...kind.lines.map((line) => ({
          stroke: paint(line.colour), fill: line.fill ? paint(line.fill) : undefined, width: line.width ?? 1.5,
          dash: line.dash, paths: line.bars ? bars : stepped, points: { show: false }, spanGaps: false,
        })),
      ],
      hooks: {
        setCursor: [(plot) => {
          const at = plot.cursor.idx;
          elements.say(readout, at === null || at === undefined ? "\u00a0" : kind.at(Math.min(at, this.times.length - 1)));
        }],
        setSelect: [(plot) => {
          const { left, width } = plot.select;
          if (width < 5) return;
          const start = this.view.run.origin / 1000;
          this.view.look([plot.posToVal(left, "x") - start, plot.posToVal(left + width, "x") - start]);
          plot.setSelect({ left: 0, width: 0, top: 0, height: 0 }, false);
        }],
      },
    }, this.columns(kind), chart);
    elements.say(readout, "\u00a0");
  }

  /** Times and values; the last bin once more, at its end, so that it is as wide as the others. */
  columns(kind) {
    const end = this.times.at(-1) + this.view.run.page.series.step_s;
    return [[...this.times, end], ...kind.lines.map((line) => [...line.values, line.bars ? null : line.values.at(-1)])];
  }

  /** Show the stretch of time that is looked at, here as in the timeline. */
  look() {
    const start = this.view.run.origin / 1000;
    const [from, to] = this.view.span ?? [0, Math.max(this.view.run.until, this.view.run.page.series.step_s)];
    for (const { plot } of this.made) plot?.setScale("x", { min: start + from, max: start + to });
  }

  /** The same as a table: made when it is asked for. */
  tell(details, kind) {
    const { make } = elements;
    details.querySelector(".scroll")?.remove();
    const { step_s: step } = this.view.run.page.series;
    details.append(make("div", { class: "scroll", tabIndex: 0, role: "region", "aria-label": `${kind.title}, as a table` }, make("table", {},
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, `Time (${words.zoneName()})`),
        kind.lines.map((line) => make("th", { scope: "col" }, line.label)))),
      make("tbody", {}, this.times.map((_, bin) => make("tr", {}, make("th", { scope: "row" }, words.clock(bin * step)),
        kind.lines.map((line) => make("td", {}, line.values[bin] === null ? "" : kind.unit(line.values[bin]))))))),
    ));
  }
}

/** Of a run that goes on, calls and bytes are counted some seconds late: the last bins are not known yet. */
function counted(series) {
  const all = series.calls.length;
  let known = all;
  const late = Math.ceil(LATE_S / series.step_s);
  while (known > 1 && all - known < late && !series.calls[known - 1] && !series.bytes[known - 1]) known -= 1;
  const { calls, throttled, bytes, collected, failed } = series;
  const cut = Object.fromEntries(Object.entries({ calls, throttled, bytes, collected, failed }).map(([name, values]) => [name, values.slice(0, known)]));
  return { ...series, ...cut };
}

/** Labels of an axis, none of them twice: small numbers of what is whole are rounded. */
function labels(values, unit) {
  const texts = values.map((value) => unit(value).replace(/\.0(?= )/, ""));
  return texts.map((text, at) => (text === texts[at - 1] ? "" : text));
}

/** As much room as the widest label takes: none is cut off. */
function axisSize(plot, values) {
  if (!values?.length) return 40;
  plot.ctx.save();
  plot.ctx.font = "12px system-ui, sans-serif";
  const widest = Math.max(...values.map((value) => plot.ctx.measureText(value ?? "").width));
  plot.ctx.restore();
  return Math.ceil(widest) + 16;
}

function timeText(seconds, by) {
  if (by < 1 && !Number.isInteger(seconds)) return ""; // between two seconds
  const text = words.atMs(seconds * 1000);
  if (by >= 86400) return words.dayMs(seconds * 1000).slice(by > 300 * 86400 ? 0 : 5);
  const short = by >= 60 ? text.slice(0, 5) : text;
  return words.zone.days && by >= 3600 ? `${words.dayMs(seconds * 1000).slice(5)} ${short}` : short;
}

const sum = (values) => values.reduce((total, value) => total + value, 0);

function callsPlot(series) {
  const { step_s: step } = series;
  const calls = series.calls.map((value) => value / step);
  const refused = series.throttled.map((value) => value / step);
  const limits = limitLines(series);
  const most = Math.max(...calls);
  const all = sum(series.calls);
  const bad = sum(series.throttled);
  const worst = series.throttled.indexOf(Math.max(...series.throttled));
  const said = limits.map((line) => `${line.label} was ${line.last === null ? "not known" : `${words.rate(line.last)} a second`}`);
  return {
    title: "Calls a second",
    sentence: `${words.count(all, "call")}, at most ${words.rate(most)} a second. `
      + (bad ? `${words.number(bad)} refused with 429, most of them around ${words.clock((worst + 0.5) * step)}. ` : "None refused with 429. ")
      + (said.length ? `At the end the ${words.listed(said)}.` : "No limit was learned."),
    unit: words.rate,
    // A limit far above what was used would flatten everything else.
    top: () => Math.max(most, ...refused, ...limits.map((line) => Math.max(...line.values)).filter((value) => value <= 3 * most), 0.1) * 1.1,
    lines: [
      { label: "calls", values: calls, colour: "accent", fill: "accent-soft" },
      { label: "429s", values: refused.map((value) => value || null), colour: "failed", fill: "failed", bars: true, width: 0 },
      ...limits,
    ],
    at: (bin) => `${words.clock(bin * step)}: ${words.rate(calls[bin])} calls, ${words.rate(refused[bin])} 429s a second`
      + limits.map((line) => (line.values[bin] === null ? "" : `, ${line.label} ${words.rate(line.values[bin])}`)).join(""),
  };
}

const WHOSE = {
  user: "limit of the account", app: "limit of the credential", ip: "limit of this address", api: "limit of the call",
  project: "limit of the project", endpoint: "limit of the endpoint",
};
const LIMITS_SHOWN = 3;

/** A line for each kind of scope; the limits of several of a kind are added up. */
function limitLines(series) {
  const kinds = new Map();
  for (const point of series.limits) {
    if (!kinds.has(point.scope)) kinds.set(point.scope, []);
    kinds.get(point.scope).push(point);
  }
  return [...kinds].slice(0, LIMITS_SHOWN).map(([scope, points], at) => {
    const known = new Map();
    const names = new Set(points.map((point) => point.name));
    const ordered = points.slice().sort((one, other) => one.at - other.at);
    let next = 0;
    const values = series.calls.map((_, bin) => {
      for (; next < ordered.length && ordered[next].at < (bin + 1) * series.step_s; next += 1) known.set(ordered[next].name, ordered[next].per_second);
      const now = [...known.values()].filter((value) => value !== null);
      return now.length ? sum(now) : null;
    });
    const whose = WHOSE[scope] ?? `limit (${scope})`;
    return {
      label: names.size > 1 ? `${whose}s of ${names.size}, added up`.replace(/^limit of (the|this) (\w+)s of/, "limits of $2s:") : whose,
      values, colour: "limit", dash: [[8, 4], [2, 3], [12, 3, 2, 3]][at], width: 2, last: values.at(-1) ?? null,
    };
  });
}

function bytesPlot(series) {
  const { step_s: step } = series;
  const values = series.bytes.map((value) => value / step);
  const all = sum(series.bytes);
  const busy = series.bytes.filter(Boolean).length * step;
  return {
    title: "Bytes a second",
    sentence: all ? `${words.size(all)} arrived, at most ${words.size(Math.max(...values))} a second, ${words.size(all / busy)} on average while any came.` : "Nothing has arrived.",
    unit: (value) => words.size(value),
    lines: [{ label: "bytes", values, colour: "accent", fill: "accent-soft" }],
    at: (bin) => `${words.clock(bin * step)}: ${words.size(values[bin])} a second`,
  };
}

function progressPlot(series, totals) {
  const { step_s: step } = series;
  const running = (values) => {
    let total = 0;
    return values.map((value) => (total += value));
  };
  const collected = running(series.collected);
  const failed = running(series.failed);
  const ended = collected.map((value, bin) => value + failed[bin]);
  const by = (share) => {
    const bin = collected.findIndex((value) => value >= share * totals.servers);
    return bin < 0 ? null : words.clock((bin + 1) * step);
  };
  const half = totals.servers ? by(0.5) : null;
  const most = by(0.9);
  return {
    title: "Progress",
    sentence: half ? `Half of the servers were here by ${half}${most ? `, nine in ten by ${most}` : ""}.` : `${words.number(collected.at(-1))} of ${words.count(totals.servers, "server")} collected.`,
    unit: (value) => words.number(Math.round(value)),
    top: () => Math.max(1, totals.servers) * 1.02,
    lines: [
      { label: "failed (on top)", values: ended, colour: "failed", fill: "failed" },
      { label: "collected", values: collected, colour: "collected", fill: "collected" },
    ],
    at: (bin) => `${words.clock(bin * step)}: ${words.number(collected[bin])} collected, ${words.number(failed[bin])} failed of ${words.number(totals.servers)}`,
  };
}
