"use strict";
// Why servers are missing, and what has changed since another run: each a filter of the table.

const reasons = (() => {
  const { byId, make, fill, named, mark, say } = elements;
  const SHOWN = 8;
  const NAMED = 3;
  let all = false;

  /** Go to the table, which shows what was asked for. */
  function toTable() {
    byId("servers").scrollIntoView({ block: "start" });
  }

  function showReasons(view) {
    const { run } = view;
    const { reasons: found } = run.page;
    const order = found.map((_, at) => at).filter((at) => found[at].servers)
      .sort((one, other) => found[other].servers - found[one].servers);
    byId("reasons").hidden = !order.length;
    byId("why").hidden = !order.length && !run.page.changes;
    if (!order.length) return;
    const names = examples(run, found.length);
    const shown = all ? order : order.slice(0, SHOWN);
    const focused = document.activeElement?.dataset?.reason;
    fill(byId("reason-list"), shown.map((at) => reasonItem(view, at, names[at])));
    fill(byId("reasons-more"), order.length > SHOWN && !all
      ? make("button", { type: "button", class: "plain", onclick: () => { all = true; showReasons(view); } },
        `Show all ${order.length} reasons`) : null);
    if (focused !== undefined) document.querySelector(`[data-reason="${focused}"]`)?.focus();
    press(view);
  }

  function reasonItem(view, at, names) {
    const { page } = view.run;
    const reason = page.reasons[at];
    const share = make("span", { class: `share ${reason.state}` });
    share.style.width = `${Math.max(1, (100 * reason.servers) / Math.max(1, page.totals.failed + page.totals.pending))}%`;
    const codes = [reason.stage && `at ${reason.stage}`, reason.code, reason.http_status && `HTTP ${reason.http_status}`];
    const more = reason.servers - names.length;
    return make("li", {},
      make("button", {
        type: "button", class: "reason", "data-reason": at, "aria-pressed": "false",
        title: "Show these servers in the table", onclick: () => {
          view.narrow({ reason: view.filter.reason === at ? -1 : at });
          if (view.filter.reason === at) toTable();
        },
      },
      make("span", { class: "many" }, mark(reason.state), make("b", {}, words.number(reason.servers)),
        make("small", {}, ` ${reason.state}`)),
      make("span", { class: "message" }, named(reason.message, 400)),
      make("span", { class: "quiet" }, codes.filter(Boolean).join(" · "))),
      make("div", { class: "track" }, share),
      reason.hint ? make("p", { class: "hint" }, make("span", { "aria-hidden": "true" }, "→ "), elements.advice(reason.hint)) : null,
      names.length ? make("p", { class: "quiet" }, names.map((server, place) => [place ? ", " : "",
        make("button", { type: "button", class: "link", onclick: () => { view.open(server); toTable(); } },
          named(view.run.name[server], 80)), " (", named(view.run.projectName(server), 60), ")"]),
      more > 0 ? ` and ${words.number(more)} more` : "") : null);
  }

  /** The first few servers of each reason. */
  function examples(run, many) {
    const names = Array.from({ length: many }, () => []);
    for (let server = 0; server < run.size; server += 1) {
      const reason = run.reason[server];
      if (reason >= 0 && run.phase[server] !== COLLECTED && names[reason]?.length < NAMED) names[reason].push(server);
    }
    return names;
  }

  function press(view) {
    for (const button of document.querySelectorAll("[data-reason]")) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.reason) === view.filter.reason));
    }
    for (const button of document.querySelectorAll("[data-group]")) {
      button.setAttribute("aria-pressed", String(button.dataset.group === view.filter.group?.label));
    }
  }

  function showChanges(view) {
    const { changes } = view.run.page;
    byId("changes").hidden = !changes;
    byId("why").hidden = !changes && byId("reasons").hidden;
    if (!changes) return;
    fill(byId("changes-about"), "Compared with run ", make("code", {}, named(changes.run_id)),
      ` of ${words.stamp(changes.started_at)} (${changes.state}); ${words.count(changes.in_both, "server")} in both.`);
    const groups = [
      ["failing", "Failing now", "collected then, not now", changes.failing, "failed"],
      ["recovered", "Recovered", "not collected then, collected now", changes.recovered, "collected"],
      ["new", "New", "not in that run", changes.new, ""],
      ["larger", "Much larger", "than its archive was", changes.larger.map((one) => one.server), ""],
      ["smaller", "Much smaller", "than its archive was", changes.smaller.map((one) => one.server), ""],
    ];
    fill(byId("change-list"), gone(changes.gone), groups.map(([key, label, words_, servers, kind]) =>
      changeItem(view, key, label, words_, servers, kind)));
    press(view);
  }

  function changeItem(view, key, label, meaning, servers, kind) {
    const { run } = view;
    const { changes } = run.page;
    const sizes = new Map((changes[key] ?? []).filter((one) => typeof one === "object").map((one) => [one.server, one]));
    const group = `${label} since ${changes.run_id}`;
    return make("li", { class: servers.length ? "" : "nothing" },
      make("button", {
        type: "button", class: "change", disabled: !servers.length, "data-group": group, "aria-pressed": "false",
        onclick: () => {
          const on = view.filter.group?.label === group;
          view.narrow({ group: on ? null : { label: group, servers: new Set(servers) } });
          if (!on) toTable();
        },
      }, kind ? mark(kind) : null, make("b", {}, words.number(servers.length)), ` ${label}`),
      make("small", { class: "quiet" }, meaning),
      servers.length ? make("p", { class: "quiet" }, servers.slice(0, NAMED).map((server, at) => [at ? ", " : "",
        make("button", { type: "button", class: "link", onclick: () => { view.open(server); toTable(); } }, named(run.name[server], 60)),
        sizes.has(server) ? ` ${words.size(sizes.get(server).before)} → ${words.size(sizes.get(server).now)}` : "",
      ]), servers.length > NAMED ? ", …" : "") : null);
  }

  /** Servers that are not in this run, and so not in the table. */
  function gone(servers) {
    const list = (some) => some.map((server, at) => [at ? ", " : "", named(server.name, 60), " (", named(server.project, 40), ")"]);
    return make("li", { class: servers.length ? "" : "nothing" },
      make("p", { class: "change" }, make("b", {}, words.number(servers.length)), " Gone"),
      make("small", { class: "quiet" }, "in that run, not in this"),
      servers.length ? make("p", { class: "quiet" }, list(servers.slice(0, NAMED))) : null,
      servers.length > NAMED ? make("details", { class: "quiet" }, make("summary", {}, "All of them"),
        make("p", {}, list(servers.slice(0, 1000)), servers.length > 1000 ? `, and ${words.number(servers.length - 1000)} more` : "")) : null);
  }

  return { showReasons, showChanges, press, toTable };
})();
