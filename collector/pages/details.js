"use strict";
// All that is known of one server: beside the table, for the row that was opened.

class Details {
  constructor(view) {
    const { byId } = elements;
    this.view = view;
    this.panel = byId("details");
    this.frame = byId("frame");
    byId("close").addEventListener("click", () => this.close());
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      this.close();
    });
    view.addEventListener("open", () => this.show());
    view.addEventListener("change", () => this.view.opened >= 0 && this.show());
    this.show();
  }

  close() {
    this.view.open(-1);
    elements.byId("grid").focus({ preventScroll: true });
  }

  show() {
    const { byId, fill, make, mark, named } = elements;
    const { opened: server, run } = this.view;
    this.panel.hidden = server < 0;
    this.frame.classList.toggle("with-details", server >= 0);
    if (server < 0) return;
    const state = run.state(server);
    fill(byId("details-name"), named(run.name[server], 300));
    fill(byId("details-state"), mark(state), ` ${STATE_WORDS[state]}, `, named(run.projectName(server)));
    fill(
      byId("details-body"),
      this.why(server),
      make("h4", {}, "Its way"),
      make("ol", { class: "story" }, this.story(server)),
      make("dl", {}, this.facts(server).map(([term, ...value]) => [make("dt", {}, term), make("dd", {}, value)])),
    );
  }

  why(server) {
    const { make, named } = elements;
    const { run } = this.view;
    const reason = run.page.reasons[run.reason[server]];
    if (!reason && !run.notes[server]) return null;
    const note = run.notes[server];
    const code = [reason?.code, reason?.http_status && `HTTP ${reason.http_status}`].filter(Boolean).join(", ");
    const collected = run.phase[server] === COLLECTED;
    return make(
      "div", { class: "why" },
      make("h4", {}, collected ? "An earlier try failed" : run.phase[server] === FAILED ? "Why it failed" : "Why it is not here yet"),
      make("p", {}, named(note?.message ?? reason.message, 4000)),
      reason ? make("p", { class: "quiet" }, `at ${reason.stage}`, code ? `: ${code}` : "",
        note?.attempts ? `, ${words.count(note.attempts, "try", "tries")}` : "") : null,
      reason?.hint && !collected ? make("p", { class: "hint" }, make("span", { "aria-hidden": "true" }, "→ "), elements.advice(reason.hint)) : null,
      note?.request_id ? make("p", { class: "quiet" }, "request id ", make("code", {}, named(note.request_id))) : null,
    );
  }

  /** Queued, exporting, downloading: since when, until when, for how long. */
  story(server) {
    const { make } = elements;
    const { run } = this.view;
    const phase = run.phase[server];
    const [requested, completed, ended] = [run.requested[server], run.completed[server], run.ended[server]];
    const now = run.until;
    const before = run.before(server);
    const steps = [["queued", `${before[0].toUpperCase()}${before.slice(1)}`, 0, known(requested, ended, now)]];
    if (!Number.isNaN(requested)) steps.push(["exporting", "Exported", requested, known(completed, ended, now)]);
    if (!Number.isNaN(completed)) steps.push(["downloading", "Downloaded", completed, known(ended, now)]);
    const shown = steps.filter(([, , from, to]) => to >= from && to > 0).map(([state, word, from, to], at, all) => {
      const goesOn = phase < COLLECTED && at === all.length - 1;
      return make(
        "li", { class: state },
        make("b", {}, goesOn ? STATE_WORDS[state] : word), ` ${words.duration(to - from)} `,
        make("span", { class: "quiet" }, goesOn ? `since ${words.clock(from)}` : `${words.clock(from)} – ${words.clock(to)}`),
      );
    });
    if (phase >= COLLECTED && !Number.isNaN(ended)) {
      shown.push(make("li", { class: run.state(server) }, make("b", {}, phase === FAILED ? "Failed" : "Collected"),
        make("span", { class: "quiet" }, ` at ${words.clock(ended)} ${words.zoneName()}`)));
    }
    return shown;
  }

  facts(server) {
    const { make, named } = elements;
    const { run } = this.view;
    const project = run.page.projects[run.project[server]];
    const facts = [];
    const path = run.path[server];
    if (path) facts.push(["Archive", this.archive(path)]);
    if (run.bytes[server] >= 0) facts.push(["Size", `${words.size(run.bytes[server])} (${words.number(run.bytes[server])} bytes)`]);
    if (run.members[server] >= 0) facts.push(["Files inside", words.number(run.members[server])]);
    facts.push(["Id", make("code", {}, named(run.id[server], 300))]);
    if (project) {
      facts.push(["Project", named(project.name, 300)]);
      facts.push(["Project id", make("code", {}, named(project.id, 300))]);
      facts.push(["Endpoint", make("code", {}, named(project.endpoint, 300))]);
    }
    const tags = run.tagTexts(server);
    if (tags.length) facts.push(["Tags", tags.map((tag) => [make("span", { class: "tag" }, named(tag)), " "])]);
    facts.push(["Exports asked for", words.number(run.attempts[server])], ["Status calls", words.number(run.polls[server])]);
    if (run.reused[server]) facts.push(["Export", "reused: another run had asked for it"]);
    return facts;
  }

  /** A link where the page lies beside the archives; a path as text where it is served. */
  archive(path) {
    const { make, named } = elements;
    const parts = path.split("/");
    const text = make("code", {}, named(path, 500));
    if (data.source() || path.startsWith("/") || parts.includes("..")) return text;
    return make("a", { href: `./${parts.map(encodeURIComponent).join("/")}` }, text);
  }
}
