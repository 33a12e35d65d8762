"use strict";
// The timeline: what of it is looked at, and how it is followed with keyboard and mouse.

class Timeline {
  constructor(view) {
    const { byId } = elements;
    this.view = view;
    this.canvas = byId("lanes");
    this.current = -1;
    this.drag = null;
    byId("lanes-order").addEventListener("change", () => this.show());
    byId("zoom-in").addEventListener("click", () => this.zoom(0.5));
    byId("zoom-out").addEventListener("click", () => this.zoom(2));
    byId("zoom-all").addEventListener("click", () => this.all());
    this.canvas.addEventListener("keydown", (event) => this.key(event));
    this.canvas.addEventListener("focus", () => this.go(Math.max(0, this.current)));
    this.canvas.addEventListener("blur", () => { this.current = -1; this.soon(); });
    this.mouse();
    view.addEventListener("change", () => this.show());
    view.addEventListener("open", () => this.soon());
    new ResizeObserver(() => this.soon()).observe(this.canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.soon());
    view.addEventListener("span", () => { this.told(); this.soon(); });
    this.canvas.parentElement.style.height = `${Math.min(this.canvas.parentElement.clientHeight, Math.max(80, view.run.size * 18 + 26))}px`;
    this.show();
  }

  /** The rows in their order, of which those looked at are `lanes`; all of them when the filter has changed. */
  show() {
    const { view } = this;
    const { run } = view;
    elements.byId("timeline").hidden = !run.size;
    this.rows = elements.byId("lanes-order").value === "table" ? view.rows : view.byStart();
    if (this.rows.length !== this.total) { // another filter: closer looks have lost their meaning
      this.range = null;
      this.total = this.rows.length;
    }
    this.current = Math.min(this.current, this.shape.lanes - 1);
    this.told();
    this.soon();
  }

  get picture() {
    const [from, to] = this.range ?? [0, this.rows.length];
    const [start, end] = this.view.span ?? [0, this.view.run.until];
    const { opened } = this.view;
    return {
      rows: this.rows, from, to, start, end, current: this.current, drag: this.drag,
      opened: opened < 0 ? -1 : this.rows.indexOf(opened),
    };
  }

  get shape() {
    const { from, to } = this.picture;
    return lanes.layout(to - from, this.canvas.clientHeight);
  }

  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  draw() {
    lanes.draw(this.canvas, this.view.run, this.picture);
  }

  /** What the picture shows, in words. */
  told() {
    const { run } = this.view;
    const { from, to, start, end } = this.picture;
    const { each } = this.shape;
    const { byId, say } = elements;
    const shown = to - from === run.size ? words.count(run.size, "server") : `${words.number(to - from)} of ${words.count(run.size, "server")}`;
    say(byId("timeline-about"), `${shown}, ${each > 1 ? `${words.number(each)} to a lane` : "a lane each"}, from ${words.clock(start)} to ${words.clock(end)} ${words.zoneName()}.${this.medians(from, to)}`);
    this.canvas.setAttribute("aria-valuemax", Math.max(0, this.shape.lanes - 1));
    if (this.current < 0) this.canvas.setAttribute("aria-valuetext", byId("timeline-about").textContent);
  }

  medians(from, to) {
    const { run } = this.view;
    const middle = (of) => {
      const values = new Float64Array(to - from);
      let many = 0;
      for (let row = from; row < to; row += 1) {
        const value = of(this.rows[row]);
        if (value === value) values[many++] = value;
      }
      return many ? words.duration(Math.max(0, values.subarray(0, many).sort()[many >> 1])) : null;
    };
    const parts = [
      ["waited", middle((server) => run.requested[server])],
      ["exported", middle((server) => lasting(run.requested[server], run.completed[server]))],
      ["downloaded", middle((server) => (run.phase[server] === COLLECTED ? run.downloadSeconds(server) : NaN))],
    ].filter(([, value]) => value !== null);
    return parts.length ? ` Half of them ${words.listed(parts.map(([word, value]) => `${word} up to ${value}`))}.` : "";
  }

  /** Move the cursor to a lane, and say what it is. */
  go(lane) {
    if (!this.rows.length) return;
    this.current = Math.min(this.shape.lanes - 1, Math.max(0, lane));
    const text = this.words(this.current);
    this.canvas.setAttribute("aria-valuenow", this.current);
    this.canvas.setAttribute("aria-valuetext", text);
    elements.say(elements.byId("lane"), text);
    const servers = this.servers(this.current);
    if (servers.length === 1) this.view.point(servers[0]);
    this.soon();
  }

  servers(lane) {
    const { from, to } = this.picture;
    const { each } = this.shape;
    const first = from + lane * each;
    return this.rows.subarray(first, Math.min(to, first + each));
  }

  words(lane) {
    const { run } = this.view;
    const servers = this.servers(lane);
    if (!servers.length) return "";
    const name = (server) => words.clipped(run.name[server], 60);
    if (servers.length > 1) {
      const counts = PHASES.map((phase, at) => [phase, servers.reduce((sum, one) => sum + (run.phase[one] === at ? 1 : 0), 0)]);
      return `${words.count(servers.length, "server")}, ${name(servers[0])} to ${name(servers[servers.length - 1])}: `
        + `${words.listed(counts.filter(([, many]) => many).map(([phase, many]) => `${words.number(many)} ${STATE_WORDS[phase]}`))}. Enter looks closer.`;
    }
    const [server] = servers;
    const [, requested, completed, end] = lanes.times(run, server, [0, 0, 0, 0]);
    const parts = [`${run.before(server)} ${words.duration(requested)}`];
    if (end > requested) parts.push(`exported ${words.duration(completed - requested)}`);
    if (end > completed) parts.push(`downloaded ${words.duration(end - completed)}`);
    const state = STATE_WORDS[run.state(server)];
    const ended = run.phase[server] >= COLLECTED ? `${state} at ${words.clock(end)}` : `still ${state}`;
    return `${name(server)} of ${words.clipped(run.projectName(server), 60)}: ${parts.join(", ")}; ${ended}${run.phase[server] === FAILED ? `: ${words.clipped(run.message(server), 200)}` : ""}.`;
  }

  /** Open a lane's server; of several, look closer at them. */
  enter(lane) {
    const servers = this.servers(lane);
    if (servers.length === 1) {
      this.view.open(servers[0]);
      return;
    }
    const { from, to } = this.picture;
    const { each } = this.shape;
    const around = Math.max(1, Math.ceil((to - from) / 20));
    const first = Math.max(0, from + lane * each - around);
    this.range = [first, Math.min(this.rows.length, first + 2 * around + each)];
    this.current = -1;
    this.told();
    this.go(Math.floor((from + lane * each - first) / this.shape.each));
  }

  all() {
    this.range = null;
    this.view.look(null);
    if (document.activeElement === this.canvas) this.go(0);
  }

  zoom(by, around) {
    const { start, end } = this.picture;
    const middle = around ?? (start + end) / 2;
    this.look(middle - (middle - start) * by, middle + (end - middle) * by);
  }

  look(start, end) {
    const { range, view } = this;
    if (range && !view.span && end - start > view.run.until * 1.5) this.range = null; // further out than all: all servers
    view.look([start, end]);
  }

  pan(share) {
    const { start, end } = this.picture;
    const by = (end - start) * share;
    this.look(start + by, end + by);
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = 10;
    const keys = {
      ArrowDown: () => this.go(this.current + 1), ArrowUp: () => this.go(this.current - 1),
      PageDown: () => this.go(this.current + page), PageUp: () => this.go(this.current - page),
      Home: () => this.go(0), End: () => this.go(this.shape.lanes - 1),
      Enter: () => this.enter(this.current), " ": () => this.enter(this.current),
      "+": () => this.zoom(0.5), "=": () => this.zoom(0.5), "-": () => this.zoom(2), 0: () => this.all(),
      ArrowLeft: () => this.pan(-0.25), ArrowRight: () => this.pan(0.25),
    };
    if (event.key === "Escape" && (this.range || this.view.span)) this.all();
    else if (event.key in keys) keys[event.key]();
    else return;
    event.preventDefault();
  }

  mouse() {
    const { canvas } = this;
    const lane = (event) => {
      const at = Math.floor(event.offsetY / this.shape.height);
      return at < this.shape.lanes && this.rows.length ? at : -1;
    };
    canvas.addEventListener("pointermove", (event) => {
      if (this.drag) {
        this.drag[1] = event.offsetX;
        this.soon();
      } else if (event.pointerType === "mouse" && lane(event) >= 0) {
        elements.say(elements.byId("lane"), this.words(lane(event)));
      }
    });
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || event.pointerType !== "mouse") return;
      this.drag = [event.offsetX, event.offsetX];
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointerup", (event) => {
      const drag = this.drag;
      this.drag = null;
      if (!drag || Math.abs(drag[1] - drag[0]) < 5) {
        if (lane(event) >= 0) this.enter(lane(event));
      } else {
        const { start, end } = this.picture;
        const at = (x) => start + (x / canvas.clientWidth) * (end - start);
        this.look(at(Math.min(...drag)), at(Math.max(...drag)));
      }
      this.soon();
    });
    canvas.addEventListener("pointercancel", () => { this.drag = null; this.soon(); });
  }
}
