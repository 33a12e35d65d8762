"use strict";
// What comes first: the verdict in one sentence, the numbers, and what to do next.

const STATE_MARKS = {
  running: ["◐", "Running"], complete: ["✓", "Complete"], partial: ["✕", "Partial"], failed: ["✕", "Failed"],
  interrupted: ["‖", "Interrupted"], deadline: ["‖", "Stopped at its deadline"],
};
const HINTS_SHOWN = 3;

const verdict = (() => {
  const { byId, make, fill, named, say } = elements;

  function show(run) {
    const { page } = run;
    const [mark, word] = STATE_MARKS[page.run.state] ?? ["", page.run.state];
    const state = byId("state");
    state.className = `state ${page.run.state}`;
    fill(state, make("span", { "aria-hidden": "true" }, mark), ` ${word}`);
    fill(byId("headline"), sentence(page.headline));
    document.title = `${page.headline} · ${page.run.id}`;
    bar(page.totals);
    fill(byId("numbers"), numbers(run).map(([term, value, quiet, kind]) => make("div", { class: kind ?? "" },
      make("dt", {}, term), make("dd", {}, value, quiet ? [" ", make("small", {}, quiet)] : null))));
    fill(byId("about"), about(run).map(([term, value]) => [make("dt", {}, term), make("dd", {}, value)]));
    next(run);
  }

  function sentence(text) {
    const clean = text.trim();
    return `${clean[0]?.toUpperCase() ?? ""}${clean.slice(1)}${/[.!?]$/.test(clean) ? "" : "."}`;
  }

  function bar(totals) {
    const parts = [["collected", totals.collected], ["failed", totals.failed], ["pending", totals.pending]];
    const shown = parts.filter(([, count]) => count);
    fill(byId("bar"), shown.map(([state, count]) => {
      const part = make("span", { class: state });
      part.style.flexGrow = count;
      return part;
    }));
    byId("bar").setAttribute("aria-label", words.listed(parts.map(([state, count]) => `${words.number(count)} ${state}`)));
  }

  function numbers(run) {
    const { totals, run: made } = run.page;
    const seconds = ((made.finished_at ? Date.parse(made.finished_at) : run.origin + run.until * 1000)
      - Date.parse(made.started_at)) / 1000;
    const least = totals.counters === "at_least" ? "at least " : "";
    return [
      ["Collected", words.number(totals.collected), `of ${words.number(totals.servers)}`, "collected"],
      ["Failed", words.number(totals.failed), totals.failed ? words.percent(totals.failed, totals.servers) : "",
        totals.failed ? "failed some" : "failed"],
      ["Pending", words.number(totals.pending), totals.pending ? words.percent(totals.pending, totals.servers) : "",
        totals.pending ? "pending some" : "pending"],
      ["Archives", words.size(totals.bytes), ""],
      [run.running ? "So far" : "Took", words.duration(Math.max(0, seconds)), made.resumed ? `resumed ${words.count(made.resumed, "time")}` : ""],
      ["Calls", `${least}${words.number(totals.requests)}`, ""],
      ["429s", words.number(totals.throttled), totals.throttled ? `${words.percent(totals.throttled, totals.requests)} of calls` : ""],
    ];
  }

  function about(run) {
    const { page } = run;
    const { run: made } = page;
    const code = (text, most = 400) => make("code", {}, named(text, most));
    return [
      ["Run", code(made.id)],
      ["Time", run.running ? `since ${words.stamp(made.started_at)}` : words.between(made.started_at, made.finished_at ?? page.last_event_at ?? page.made_at)],
      ["By", [named(made.user), " on ", named(made.host)]],
      ["Directory", code(page.directory)],
      ["Inventory", code(made.inventory.path)],
      ["Selection", made.select.length
        ? made.select.map((expression, at) => [at ? " or " : "", code(expression)])
        : `all servers of the inventory`],
      ["Command", code(made.argv.map(words.quoted).join(" "), 2000)],
      page.manifest_sha256 ? ["Manifest", ["sha256 ", code(page.manifest_sha256)]] : null,
      ["This page", [`made ${words.stamp(page.made_at)} by collector `, named(page.collector)]],
    ].filter(Boolean);
  }

  /** The largest reasons' hints, and the command to go on with. */
  function next(run) {
    const { page } = run;
    const hints = new Map();
    for (const reason of page.reasons) {
      if (reason.hint && reason.servers) hints.set(reason.hint, (hints.get(reason.hint) ?? 0) + reason.servers);
    }
    const largest = [...hints].sort(([, one], [, other]) => other - one);
    const items = largest.slice(0, HINTS_SHOWN).map(([hint, servers]) =>
      make("li", {}, make("b", {}, `${words.count(servers, "server")}: `), elements.advice(hint)));
    if (largest.length > HINTS_SHOWN) {
      items.push(make("li", {}, make("a", { href: "#reasons" }, `and ${words.count(largest.length - HINTS_SHOWN, "more reason")}`)));
    }
    const command = commandOf(run);
    if (command) items.push(make("li", {}, make("b", {}, command[0]), make("code", { class: "command" }, named(command[1], 2000))));
    fill(byId("next-list"), items);
    byId("next").hidden = !items.length;
    const totals = page.projects.filter((project) => project.discovery_error);
    byId("unlisted").hidden = !totals.length;
    if (totals.length) {
      say(byId("unlisted"), `Servers may be missing altogether: ${words.count(totals.length, "project")} could not be listed `
        + `(${totals.slice(0, 3).map((project) => `${project.name}: ${project.discovery_error.message}`).join("; ")}).`);
    }
  }

  function commandOf({ page }) {
    const directory = words.quoted(page.directory);
    const verify = ["Prove it on this disk: ", `collector verify ${directory}`];
    if (page.run.argv[1] === "demo") return page.run.state === "running" ? null : verify; // its emulator is gone
    if (page.run.state === "running") return page.glance ? null : ["Go on: ", `collector collect --resume ${directory}`];
    if (page.totals.pending) return ["Go on: ", `collector collect --resume ${directory}`];
    if (page.totals.failed) return ["Try those that failed again: ", `collector collect --resume ${directory} --retry-failed`];
    return verify;
  }

  return { show };
})();
