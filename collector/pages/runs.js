"use strict";
// The list of runs: fetched now and then, and shown again where it has changed.

const EVERY_MS = 3000;
const STATES = {
  running: ["●", "running"], complete: ["✓", "complete"], partial: ["✕", "partial"], failed: ["✕", "failed"],
  interrupted: ["○", "interrupted"], deadline: ["○", "deadline"],
};
const shown = { runs: "", at: "" };

function row(run, now) {
  const { make, named } = elements;
  const { totals } = run;
  const [mark, word] = STATES[run.state] ?? ["", run.state];
  const number = (value) => make("td", {}, totals ? words.number(value) : "–");
  const started = Date.parse(run.started_at ?? "");
  const ended = Date.parse(run.finished_at ?? (run.state === "running" ? now : ""));
  const took = ended >= started ? words.duration((ended - started) / 1000) : "–";
  return make("tr", {},
    make("td", {}, make("a", { href: run.url }, named(run.name, 120))),
    make("td", { class: `words state-${word}` }, make("span", { "aria-hidden": "true" }, `${mark} `), totals ? word : `${word}, unreadable`),
    make("td", {}, Number.isNaN(started) ? "–" : words.stamp(run.started_at).replace(" UTC", "")),
    make("td", {}, took),
    number(totals?.servers),
    number(totals?.collected),
    totals?.failed ? make("td", { class: "failed" }, make("b", {}, words.number(totals.failed))) : number(0),
    number(totals?.pending),
    make("td", {}, totals ? words.size(totals.bytes) : "–"));
}

function show(listed) {
  const { byId, fill, say } = elements;
  say(byId("where"), listed.directory);
  document.title = `Runs in ${listed.directory}`;
  const none = listed.problem ?? (listed.runs.length ? "" : "There are no runs here yet. They show up once they begin.");
  say(byId("none"), none);
  byId("none").hidden = !none;
  byId("runs").hidden = !listed.runs.length;
  // Rows that are the same stay where they are, and so does whoever has come to one with the keyboard.
  const running = listed.runs.some((run) => run.state === "running");
  const runs = JSON.stringify(listed.runs) + (running ? listed.at : "");
  if (runs === shown.runs) return;
  shown.runs = runs;
  const focused = document.activeElement?.closest("#rows a")?.getAttribute("href");
  fill(byId("rows"), listed.runs.map((run) => row(run, listed.at)));
  if (focused) byId("rows").querySelector(`a[href="${CSS.escape(focused)}"]`)?.focus();
}

async function look(url) {
  const { byId, say } = elements;
  try {
    const response = await fetch(url, { cache: "no-store", credentials: "same-origin" });
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
    show(await response.json());
    say(byId("told"), "");
    byId("told").className = "live on";
  } catch {
    say(byId("told"), "Connection lost, trying again");
    byId("told").className = "live lost";
  }
  setTimeout(() => look(url), EVERY_MS);
}

look("runs");
