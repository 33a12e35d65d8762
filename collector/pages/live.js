"use strict";
// Follows a run that goes on: what has changed comes as events, and is shown where it stands.

const AGAIN_MS = 3000;

class Live {
  constructor(urls, app, revision) {
    Object.assign(this, { urls, app, ended: false, lost: false, heardAt: Date.now(), free: 0 });
    this.line = elements.byId("live");
    this.line.hidden = false;
    if (urls.runs) elements.put(document.querySelector(".brand"), " · ", elements.make("a", { href: urls.runs }, "All runs"));
    this.stopButton();
    this.begin(revision);
  }

  /** Follow what happens after a revision, which is what this page shows. */
  begin(revision) {
    if (!this.app.run.running && !this.mayGoOn()) {
      this.end();
      return;
    }
    const events = new EventSource(revision ? `${this.urls.events}?after=${encodeURIComponent(revision)}` : this.urls.events);
    this.events = events;
    events.addEventListener("open", () => { this.lost = false; this.show(); });
    events.addEventListener("delta", (event) => this.take(JSON.parse(event.data)));
    events.addEventListener("ended", (event) => {
      if (event.data) this.take(JSON.parse(event.data));
      this.end();
    });
    events.addEventListener("reset", () => this.anew(0));
    events.addEventListener("error", () => {
      if (this.ended || this.events !== events) return;
      this.lost = true;
      this.show();
      // A browser tries again by itself, unless it was refused.
      if (events.readyState === EventSource.CLOSED) this.anew(AGAIN_MS);
    });
    this.show();
  }

  /** Whether somebody may resume the run: then it is shown live again. */
  mayGoOn() {
    return ["interrupted", "deadline"].includes(this.app.run.page.run.state);
  }

  /** Fetch all of it again: too much was missed, or another process serves the run now. */
  anew(inMs) {
    this.events?.close();
    clearTimeout(this.timer);
    const since = performance.now() - (this.fetchedAt ?? -Infinity);
    this.timer = setTimeout(async () => {
      this.fetchedAt = performance.now();
      try {
        const { page, revision } = await data.fetched(this.urls.data);
        this.heardAt = Date.now();
        this.lost = false;
        this.app.replace(new Run(page));
        this.begin(revision);
      } catch {
        this.lost = true;
        this.show();
        this.anew(AGAIN_MS);
      }
    }, Math.max(inMs, AGAIN_MS - since));
  }

  take(delta) {
    this.lost = false;
    this.heardAt = Date.now();
    this.app.run.apply(delta);
    this.soon();
  }

  /**
   * Show what has come, in the next frame: in the background that is when the page is looked at again.
   * What takes long, of very many servers, is done less often: most of the time is the reader's.
   */
  soon() {
    if (this.frame || this.wait) return;
    const pause = this.free - performance.now();
    if (pause > 0) {
      this.wait = setTimeout(() => { this.wait = 0; this.soon(); }, pause);
      return;
    }
    this.frame = requestAnimationFrame(() => {
      const began = performance.now();
      this.frame = 0;
      this.app.changed();
      this.show();
      this.free = performance.now() + 4 * (performance.now() - began);
    });
  }

  end() {
    this.ended = true;
    this.events?.close();
    this.free = 0;
    if (!this.frame && !this.wait) this.show(); // else with the last of what came
  }

  show() {
    const { fill, make, say, byId } = elements;
    const { run } = this.app;
    const { glance } = run.page;
    const asOf = `${words.atMs(this.heardAt)} ${words.zoneName()}`;
    const kind = this.ended ? "ended" : this.lost ? "lost" : run.running ? "on" : this.mayGoOn() ? "idle" : "ended";
    this.line.className = `live ${kind}`;
    const text = { on: "Live", lost: "Connection lost, trying again", ended: "The run has ended", idle: "Not running; live again once it is resumed" }[kind];
    if (this.kind !== kind) { // read aloud once, not every second
      this.kind = kind;
      this.line.setAttribute("role", kind === "on" ? "presentation" : "status");
    }
    const parts = kind === "on" ? [rateText(glance), leftText(glance)] : [kind === "lost" ? `as of ${asOf}` : ""];
    fill(this.line, make("b", {}, make("span", { "aria-hidden": "true", class: "pulse" }, { on: "●", lost: "◌", ended: "■", idle: "○" }[kind]), ` ${text}`),
      parts.filter(Boolean).map((part) => [" · ", make("span", {}, part)]));
    const over = kind === "ended" || kind === "idle";
    byId("stop").hidden = !this.urls.stop || over;
    const troubles = over ? [] : glance?.troubles ?? [];
    const shown = JSON.stringify(troubles);
    byId("glance").hidden = over || !glance;
    if (glance && !over) {
      say(byId("glance-line"), nowText(glance));
      fill(byId("now"), nowLists(glance));
    }
    if (shown !== this.troubles) {
      this.troubles = shown;
      fill(byId("troubles"), troubles.map((trouble) => make("li", {}, elements.named(trouble, 400))));
    }
  }

  stopButton() {
    const { byId, say } = elements;
    const dialog = byId("stop-dialog");
    byId("stop").addEventListener("click", () => {
      say(byId("stop-command"), `collector collect --resume ${words.quoted(this.app.run.page.directory)}`);
      byId("stop-error").hidden = true;
      byId("stop-yes").disabled = false;
      dialog.showModal();
      byId("stop-no").focus();
    });
    byId("stop-no").addEventListener("click", () => dialog.close());
    byId("stop-yes").addEventListener("click", async () => {
      byId("stop-yes").disabled = true;
      try {
        const response = await fetch(this.urls.stop, { method: "POST", headers: { "X-Collector": "stop" }, credentials: "same-origin" });
        if (!response.ok) throw new Error(`${response.status} ${response.statusText}`);
        dialog.close();
        say(byId("stop"), "Stopping…");
        byId("stop").disabled = true;
      } catch (error) {
        say(byId("stop-error"), `The run was not stopped: ${error.message}. Try again, or press Ctrl-C where it runs.`);
        byId("stop-error").hidden = false;
        byId("stop-yes").disabled = false;
      }
    });
  }
}

function rateText(glance) {
  if (!glance) return "";
  const limit = glance.limit ? ` of ${words.rate(glance.limit.per_second)}` : "";
  return `${words.rate(glance.calls_per_s)}${limit} calls/s · ${words.size(glance.bytes_per_s)}/s`;
}

function leftText(glance) {
  const left = glance?.time_left;
  if (!left) return "";
  if (left.high_s < 60) return "less than a minute left";
  if (left.low_s < 60) return `up to ${roughly(left.high_s)} left`;
  const [low, high] = [roughly(left.low_s), roughly(left.high_s)];
  if (low === high) return `about ${low} left`;
  const [, number, unit] = /^(\d+)( \w+)$/.exec(low) ?? [];
  return `${unit && new RegExp(`^\\d+${unit}$`).test(high) ? number : low} to ${high} left`; // `11 to 15 min`
}

/** The longer, the rounder: an estimate is no clock. */
function roughly(seconds) {
  const step = [[7200, 300], [600, 60], [60, 5], [0, 1]].find(([from]) => seconds >= from)[1];
  return words.duration(Math.max(1, Math.ceil(seconds / step)) * step);
}

const LIMIT_FROM = {
  told: "the service told", estimated: "are estimated", remembered: "an earlier run learned", inventory: "the inventory allows",
};

function nowText(glance) {
  const { counts } = glance;
  const phases = [["queued", "waiting"], ["exporting", "exporting"], ["downloading", "downloading"]]
    .map(([phase, word]) => `${words.number(counts[phase])} ${word}`);
  const limit = glance.limit ? ` of ${words.rate(glance.limit.per_second)} that ${LIMIT_FROM[glance.limit.source] ?? glance.limit.source}` : "";
  const deadline = glance.deadline_at ? ` Its deadline is at ${words.stamp(glance.deadline_at)}.` : "";
  return `${words.listed(phases)}. ${words.rate(glance.calls_per_s)} calls a second${limit}; ${words.size(glance.bytes)} arrived, `
    + `${words.size(glance.bytes_per_s)} a second.${deadline}`;
}

/** What is wrong with a project, in a few words. */
const wrong = ({ trouble, counts }) => words.listed([trouble, counts.failed && `${words.number(counts.failed)} failed`].filter(Boolean));

/** Projects in trouble, who takes longest, who failed last: a few of each. */
function nowLists({ projects: all, slowest, failures }) {
  const { make, named } = elements;
  const list = (title, items) => items.length > 0 && make("div", {}, make("h2", {}, title), make("ul", {}, items.map((item) => make("li", {}, item))));
  return [
    list("Projects in trouble", all.filter((project) => project.trouble || project.counts.failed).slice(0, 5).map((project) => [
      named(project.name, 60), `: ${wrong(project)}`, make("small", {}, ` ${words.number(project.counts.collected)} of ${words.number(project.counts.servers)} collected`)])),
    list("Slowest now", slowest.slice(0, 5).map((server) => [
      named(server.name, 60), " of ", named(server.project, 40), `: ${STATE_WORDS[server.phase] ?? server.phase} for ${words.duration(server.for_s)}`])),
    list("Last failures", failures.slice(0, 5).map((failure) => [
      make("small", {}, `${words.atMs(Date.parse(failure.at))} `), named(failure.name, 60), " of ", named(failure.project, 40), ": ", named(failure.message, 160)])),
  ];
}
