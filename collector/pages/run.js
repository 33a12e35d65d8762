"use strict";
// A run as this page holds it: numbers of servers in typed arrays, and what is computed from them.

const PHASES = ["queued", "exporting", "downloading", "collected", "failed"];
const COLLECTED = 3;
const FAILED = 4;

const STATE_WORDS = {
  queued: "waiting", exporting: "exporting", downloading: "downloading", collected: "collected", failed: "failed",
};

class Run {
  constructor(page) {
    this.page = page;
    this.origin = Date.parse(page.origin);
    this.size = page.servers.id.length;
    const { servers } = page;
    this.id = servers.id;
    this.name = servers.name;
    this.path = servers.path;
    this.project = Int32Array.from(servers.project);
    this.tags = Int32Array.from(servers.tags);
    this.phase = Uint8Array.from(servers.phase);
    this.requested = Run.floats(servers.requested);
    this.completed = Run.floats(servers.completed);
    this.ended = Run.floats(servers.ended);
    this.bytes = Run.floats(servers.bytes);
    this.members = Run.floats(servers.members);
    this.polls = Int32Array.from(servers.polls);
    this.attempts = Int32Array.from(servers.attempts);
    this.reused = Uint8Array.from(servers.reused);
    this.reason = Run.integers(servers.reason);
    this.notes = page.notes;
    page.servers = null; // its columns are held above
    this.revision = 0;
    this.renamed = false;
    this.resetClock();
  }

  static floats(values) {
    const made = new Float64Array(values.length);
    for (let at = 0; at < made.length; at += 1) made[at] = values[at] ?? NaN;
    return made;
  }

  static integers(values) {
    const made = new Int32Array(values.length);
    for (let at = 0; at < made.length; at += 1) made[at] = values[at] ?? -1;
    return made;
  }

  /** Until when the run is told of, in seconds since its origin. */
  get until() {
    const { run, glance, made_at: madeAt, last_event_at: lastAt } = this.page;
    const at = run.finished_at ?? glance?.at ?? (this.running ? madeAt : lastAt ?? madeAt);
    return Math.max((Date.parse(at) - this.origin) / 1000, 1, this.latest);
  }

  resetClock() {
    let latest = 0;
    for (let at = 0; at < this.size; at += 1) if (this.ended[at] > latest) latest = this.ended[at];
    this.latest = latest;
  }

  /** Take over what has changed: see `Delta` in `report/page.py`. */
  apply(delta) {
    const { rows } = delta;
    delta.at.forEach((server, row) => {
      this.renamed ||= this.name[server] !== rows.name[row] || this.id[server] !== rows.id[row];
      this.id[server] = rows.id[row];
      this.name[server] = rows.name[row];
      this.path[server] = rows.path[row];
      for (const column of ["project", "tags", "phase", "polls", "attempts"]) this[column][server] = rows[column][row];
      for (const column of ["requested", "completed", "ended", "bytes", "members"]) {
        this[column][server] = rows[column][row] ?? NaN;
      }
      this.reused[server] = rows.reused[row];
      this.reason[server] = rows.reason[row] ?? -1;
      if (!(String(server) in delta.notes)) delete this.notes[server];
      if (this.ended[server] > this.latest) this.latest = this.ended[server];
    });
    Object.assign(this.notes, delta.notes);
    for (const member of ["headline", "run", "totals"]) this.page[member] = delta[member];
    for (const member of ["projects", "reasons", "series"]) this.page[member] = delta[member] ?? this.page[member];
    this.page.glance = delta.glance;
    this.page.last_event_at = delta.last_event_at;
    this.revision = delta.revision;
  }

  get running() {
    return this.page.run.state === "running";
  }

  state(server) {
    return PHASES[this.phase[server]];
  }

  pending(server) {
    return this.phase[server] < COLLECTED;
  }

  projectName(server) {
    return this.page.projects[this.project[server]]?.name ?? "";
  }

  /** How long its export took, or has been under way. */
  exportSeconds(server) {
    return lasting(this.requested[server], known(this.completed[server], this.ended[server], this.until));
  }

  downloadSeconds(server) {
    return lasting(this.completed[server], known(this.ended[server], this.until));
  }

  /** How often its export was asked for or, if more, what failed was tried. */
  tries(server) {
    return Math.max(this.attempts[server], this.notes[server]?.attempts ?? 0);
  }

  /** What it did before its latest export was asked for: earlier ones are not drawn. */
  before(server) {
    return this.attempts[server] > 1 ? "waited and tried before" : "waited";
  }

  /** Why it is not here; what an earlier try of one that is here met, its details tell. */
  message(server) {
    if (this.phase[server] === COLLECTED) return "";
    return this.notes[server]?.message ?? this.page.reasons[this.reason[server]]?.message ?? "";
  }

  tagTexts(server) {
    return Object.entries(this.page.tags[this.tags[server]] ?? {}).map(([key, value]) => `${key}=${value}`);
  }

  /** The first few servers of which something is true, and nothing more is looked at. */
  firstWhere(test, most) {
    const found = [];
    for (let at = 0; at < this.size && found.length < most; at += 1) if (test(at)) found.push(at);
    return found;
  }
}

/** The first of several times that is known; before the origin, too, where a clock was set back. */
function known(...times) {
  return times.find((time) => !Number.isNaN(time)) ?? NaN;
}

/** How long something took; not known where the clock was set back meanwhile. */
function lasting(from, to) {
  return to >= from ? to - from : NaN;
}
