"use strict";
// Sizes and export times by project: quantiles, and the servers that are far from the others of theirs.

const projects = (() => {
  const { byId, make, fill, named } = elements;
  const SHOWN = 20;
  const OUTLIERS = 12;
  const DOTS = 10;
  const FEW = 8; // fewer say nothing of what is usual
  const FAR = 2.5; // times the median
  let all = false;

  const MEASURES = [
    { key: "bytes", label: "Archive size", short: "size", of: (run) => (server) => run.bytes[server], text: (value) => words.size(value) },
    {
      key: "export", label: "Export time", short: "export", text: (value) => words.duration(value),
      of: (run) => (server) => (run.reused[server] ? NaN : lasting(run.requested[server], run.completed[server])),
    },
  ];

  /** Of each project: what its servers measure, sorted, and who is far from the median. */
  function measured(run, value, many) {
    const counts = new Uint32Array(many + 1);
    for (let server = 0; server < run.size; server += 1) if (value(server) > 0) counts[run.project[server] + 1] += 1;
    for (let at = 0; at < many; at += 1) counts[at + 1] += counts[at];
    const next = counts.slice(0, many);
    const values = new Float64Array(counts[many]);
    for (let server = 0; server < run.size; server += 1) {
      const one = value(server);
      if (one > 0) values[next[run.project[server]]++] = one;
    }
    const found = Array.from({ length: many }, (_, project) => {
      const mine = values.subarray(counts[project], counts[project + 1]).sort();
      const at = (share) => mine[Math.min(mine.length - 1, Math.floor(share * mine.length))];
      return { count: mine.length, low: at(0.05), first: at(0.25), median: at(0.5), third: at(0.75), high: at(0.95), outliers: [] };
    });
    for (let server = 0; server < run.size; server += 1) {
      const one = value(server);
      const mine = found[run.project[server]];
      if (!(one > 0) || mine.count < FEW) continue;
      const spread = Math.max(Math.log(mine.third / mine.first), 0.1);
      const far = Math.abs(Math.log(one / mine.median));
      if (far > Math.log(FAR) && far > 3 * spread) mine.outliers.push({ server, value: one, times: one / mine.median, far });
    }
    for (const mine of found) mine.outliers.sort((one, other) => other.far - one.far);
    return found;
  }

  function show(view) {
    const { run } = view;
    const { projects: list } = run.page;
    const columns = MEASURES.map((measure) => ({ ...measure, found: measured(run, measure.of(run), list.length) }));
    byId("projects").hidden = !columns.some((column) => column.found.some((one) => one.count));
    const order = list.map((_, at) => at).sort((one, other) =>
      list[other].totals.failed - list[one].totals.failed || list[other].totals.servers - list[one].totals.servers || one - other);
    const scales = columns.map(({ found }) => scale(found));
    const shown = all ? order : order.slice(0, SHOWN);
    fill(byId("project-list"), make("table", { class: "strips" },
      make("thead", {}, make("tr", {}, make("th", { scope: "col" }, "Project"), make("th", { scope: "col" }, "Servers"),
        columns.map((column, at) => [make("th", { scope: "col" }, column.label, scales[at] ? ` (${column.text(scales[at].low)} to ${column.text(scales[at].high)}, logarithmic)` : ""),
          make("th", { scope: "col" }, "Median")]))),
      make("tbody", {}, shown.map((at) => row(view, at, columns, scales)))),
    order.length > SHOWN && !all ? make("p", {}, make("button", { type: "button", class: "plain", onclick: () => { all = true; show(view); } },
      `Show all ${words.number(order.length)} projects`)) : null);
    fill(byId("outliers"), columns.map((column) => outliers(view, column)));
  }

  function scale(found) {
    const values = found.filter((one) => one.count).flatMap((one) => [one.low, one.high, ...one.outliers.slice(0, DOTS).map((out) => out.value)]);
    if (!values.length) return null;
    const low = values.reduce((one, other) => Math.min(one, other));
    const high = values.reduce((one, other) => Math.max(one, other), low * 1.5);
    return { low, high, at: (value) => (100 * Math.log(value / low)) / Math.log(high / low) };
  }

  function row(view, at, columns, scales) {
    const project = view.run.page.projects[at];
    const { totals } = project;
    const parts = [totals.failed && `${words.number(totals.failed)} failed`, totals.pending && `${words.number(totals.pending)} pending`].filter(Boolean);
    return make("tr", {},
      make("th", { scope: "row" }, make("button", { type: "button", class: "link", onclick: () => { view.narrow({ project: at }); reasons.toTable(); } }, named(project.name, 60))),
      make("td", { class: "words" }, words.number(totals.servers), parts.length ? make("small", {}, ` ${parts.join(", ")}`) : null),
      columns.map((column, place) => {
        const mine = column.found[at];
        if (!mine.count) return [make("td"), make("td", { class: "words quiet" }, "none")];
        return [make("td", {}, strip(mine, scales[place])), make("td", { class: "words" },
          make("small", { class: "what" }, `${column.short} `), column.text(mine.median),
          make("small", {}, ` 95 %: ${column.text(mine.high)}`))];
      }));
  }

  function strip(mine, { at }) {
    const part = (kind, from, to) => {
      const piece = make("i", { class: kind });
      piece.style.left = `${Math.min(100, Math.max(0, at(from)))}%`;
      if (to !== undefined) piece.style.width = `${Math.max(0, at(to) - at(from))}%`;
      return piece;
    };
    return make("div", { class: "strip", "aria-hidden": "true" }, part("range", mine.low, mine.high), part("box", mine.first, mine.third),
      part("median", mine.median), mine.outliers.slice(0, DOTS).map((one) => part("dot", one.value)));
  }

  function outliers(view, column) {
    const { run } = view;
    const found = column.found.flatMap((one) => one.outliers).sort((one, other) => other.far - one.far);
    if (!found.length) return null;
    const label = `${column.label}: outliers`;
    const times = (one) => (one.times >= 1 ? `${words.rate(one.times)} times` : `1/${words.rate(1 / one.times)} of`);
    return make("div", {}, make("h3", { class: "minor" }, `${column.label}: ${words.count(found.length, "server")} far from the rest of ${found.length === 1 ? "its" : "their"} project `,
      make("button", { type: "button", class: "plain", onclick: () => {
        view.narrow({ group: { label, servers: new Set(found.map((one) => one.server)) } });
        reasons.toTable();
      } }, "Show in the table")),
    make("ul", { class: "outliers" }, found.slice(0, OUTLIERS).map((one) => make("li", {},
      make("button", { type: "button", class: "link", onclick: () => { view.open(one.server); reasons.toTable(); } }, named(run.name[one.server], 60)),
      " (", named(run.projectName(one.server), 40), `) ${column.text(one.value)}, ${times(one)} the median`))));
  }

  return { show };
})();
