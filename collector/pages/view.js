"use strict";
// Which servers are shown, and in what order: one filter and one order that table, timeline and plots share.

const STATES = {
  all: () => true,
  missing: (phase) => phase !== COLLECTED,
  collected: (phase) => phase === COLLECTED,
  failed: (phase) => phase === FAILED,
  pending: (phase) => phase < COLLECTED,
};

class View extends EventTarget {
  constructor(run) {
    super();
    this.filter = { text: "", project: -1, state: "all", reason: -1, group: null };
    this.sort = { column: "state", descending: false };
    this.active = -1; // the server that has the cursor
    this.opened = -1; // the server whose details are shown
    this.span = null; // which seconds are looked at; null: all
    this.adopt(run);
  }

  /** Begin with this run, or begin anew with another state of it. */
  adopt(run) {
    this.run = run;
    this.haystack = null;
    this.order = this.starts = null;
    this.ranks = {};
    this.refresh();
  }

  /** Set members of the filter; what is not named stays as it is. */
  narrow(members) {
    Object.assign(this.filter, members);
    this.refresh();
  }

  clear() {
    this.narrow({ text: "", project: -1, state: "all", reason: -1, group: null });
  }

  get filtered() {
    const { text, project, state, reason, group } = this.filter;
    return text.trim() !== "" || project >= 0 || state !== "all" || reason >= 0 || group !== null;
  }

  sortBy(column) {
    const descending = this.sort.column === column ? !this.sort.descending : COLUMNS[column].largestFirst === true;
    this.sort = { column, descending };
    this.order = null;
    this.refresh();
  }

  /** Servers have changed; names seldom do, and take longest to read. */
  changed() {
    delete this.ranks.message;
    if (this.run.renamed) {
      this.run.renamed = false;
      this.haystack = null;
      this.ranks = {};
    }
    this.order = this.starts = null;
    this.refresh();
  }

  refresh() {
    this.order ??= this.sorted(this.sort.column, this.sort.descending);
    this.rows = this.matching();
    this.place = null;
    this.dispatchEvent(new Event("change"));
  }

  /** Move the cursor, or open a server's details. */
  point(server) {
    this.active = server;
    this.dispatchEvent(new Event("point"));
  }

  open(server) {
    this.opened = server;
    if (server >= 0) this.active = server;
    this.dispatchEvent(new Event("open"));
    this.dispatchEvent(new Event("point"));
  }

  /** Look at a stretch of time, in timeline and plots; null: at all of it. */
  look(span) {
    const whole = this.run.until;
    if (span) {
      const length = Math.min(whole, Math.max(1, span[1] - span[0]));
      const first = Math.min(Math.max(0, span[0]), whole - length);
      span = length >= whole ? null : [first, first + length];
    }
    this.span = span;
    this.dispatchEvent(new Event("span"));
  }

  /** In which row a server is shown; -1: in none. */
  rowOf(server) {
    if (server < 0) return -1;
    if (!this.place) {
      this.place = new Int32Array(this.run.size).fill(-1);
      for (let row = 0; row < this.rows.length; row += 1) this.place[this.rows[row]] = row;
    }
    return this.place[server];
  }

  matching() {
    const { run, filter, order } = this;
    const allowed = Uint8Array.from(PHASES, (_, phase) => (STATES[filter.state](phase) ? 1 : 0));
    const terms = filter.text.toLowerCase().split(/\s+/).filter(Boolean).map((term) => this.term(term));
    const found = new Uint32Array(order.length);
    let many = 0;
    next: for (let at = 0; at < order.length; at += 1) {
      const server = order[at];
      if (!allowed[run.phase[server]]) continue;
      if (filter.project >= 0 && run.project[server] !== filter.project) continue;
      if (filter.reason >= 0 && (run.reason[server] !== filter.reason || run.phase[server] === COLLECTED)) continue;
      if (filter.group && !filter.group.servers.has(server)) continue;
      for (const matches of terms) if (!matches(server)) continue next;
      found[many] = server;
      many += 1;
    }
    return found.subarray(0, many);
  }

  /** Whether a server has a term in its name, id, project, tags or message. */
  term(term) {
    const { run } = this;
    const has = (text) => text.toLowerCase().includes(term);
    const projects = run.page.projects.map((project) => has(project.name) || has(project.id));
    const tags = run.page.tags.map((_, at) => run.page.tags[at] && Object.entries(run.page.tags[at])
      .some(([key, value]) => has(`${key}=${value}`)));
    const reasons = run.page.reasons.map((reason) => has(`${reason.message} ${reason.code ?? ""} ${reason.stage}`));
    const noted = new Set();
    for (const [server, note] of Object.entries(run.notes)) if (has(note.message)) noted.add(Number(server));
    const names = this.names();
    const why = (server) => run.phase[server] !== COLLECTED &&
      (noted.has(server) || (run.reason[server] >= 0 && reasons[run.reason[server]]));
    return (server) => names[server].includes(term) || projects[run.project[server]] || tags[run.tags[server]] || why(server);
  }

  names() {
    if (!this.haystack) {
      const { run } = this;
      this.haystack = new Array(run.size);
      for (let at = 0; at < run.size; at += 1) this.haystack[at] = `${run.name[at]} ${run.id[at]}`.toLowerCase();
    }
    return this.haystack;
  }

  /** The rows in the order in which their exports were asked for. */
  byStart() {
    this.starts ??= this.sorted("requested", false);
    if (this.rows.length === this.starts.length) return this.starts;
    return this.starts.filter((server) => this.rowOf(server) >= 0);
  }

  sorted(column, descending) {
    const { size } = this.run;
    const keys = this.keys(column);
    const order = new Uint32Array(size);
    for (let at = 0; at < size; at += 1) order[at] = at;
    const sign = descending ? -1 : 1;
    // What has no value comes last, whichever way the others go; what is equal stays as it came.
    order.sort((one, other) => {
      const left = keys[one];
      const right = keys[other];
      if (left < right) return -sign;
      if (left > right) return sign;
      if (left === right) return one - other;
      return (left === left ? 0 : 1) - (right === right ? 0 : 1) || one - other;
    });
    return order;
  }

  keys(column) {
    const { key, text } = COLUMNS[column];
    const { run } = this;
    if (text) {
      this.ranks[column] ??= ranked(Array.from({ length: run.size }, (_, server) => text(run, server)));
      return this.ranks[column];
    }
    const keys = new Float64Array(run.size);
    for (let at = 0; at < run.size; at += 1) keys[at] = key(run, at);
    return keys;
  }
}

/** The rank of each text, `bms-2` before `bms-10`; equal texts have equal ranks, empty ones none. */
function ranked(texts) {
  const natural = new Map();
  for (const text of texts) {
    if (!natural.has(text)) {
      natural.set(text, text.toLowerCase().replace(/\d{1,15}/g, (digits) => digits.padStart(15, "0")));
    }
  }
  const distinct = [...natural.entries()].sort(([, one], [, other]) => (one < other ? -1 : one > other ? 1 : 0));
  const rank = new Map(distinct.map(([text], at) => [text, at]));
  return Float64Array.from(texts, (text) => (text ? rank.get(text) : NaN));
}
