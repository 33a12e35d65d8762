"use strict";
// What narrows the table: text, state, project, reason, and groups of servers that other parts name.

class Filters {
  constructor(view) {
    const { byId } = elements;
    this.view = view;
    this.search = byId("search");
    this.project = byId("project");
    this.reason = byId("reason");
    this.states = byId("states");
    this.search.addEventListener("input", () => this.typed());
    this.search.addEventListener("keydown", (event) => this.follow(event));
    this.project.addEventListener("change", () => view.narrow({ project: Number(this.project.value) }));
    this.reason.addEventListener("change", () => view.narrow({ reason: Number(this.reason.value) }));
    byId("clear").addEventListener("click", () => this.clear());
    byId("clear-none").addEventListener("click", () => this.clear());
    byId("group").addEventListener("click", () => view.narrow({ group: null }));
    document.addEventListener("keydown", (event) => this.key(event));
    view.addEventListener("change", () => this.show());
    this.build();
  }

  clear() {
    this.view.clear();
    this.search.focus({ preventScroll: true });
  }

  /** The choices that there are: made anew when projects or reasons have changed. */
  build() {
    const { make, fill } = elements;
    const { page } = this.view.run;
    const option = (value, text) => make("option", { value }, words.clipped(text, 70));
    fill(this.project, option(-1, "All projects"), page.projects.map((project, at) => option(at, project.name)));
    fill(
      this.reason,
      option(-1, "Any reason"),
      page.reasons.map((reason, at) => option(at, `${words.number(reason.servers)} × ${reason.state === "failed" ? `${reason.stage}: ` : ""}${reason.message}`)),
    );
    this.reason.disabled = !page.reasons.length;
    this.project.hidden = this.project.previousElementSibling.hidden = page.projects.length < 2;
    this.show();
  }

  /** Filter in the next frame: all that was typed until then. */
  typed() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.view.narrow({ text: this.search.value });
    });
  }

  /** Leave the search for what it found: Enter opens the first row, down goes to it. */
  follow(event) {
    if (event.isComposing || (event.key !== "Enter" && event.key !== "ArrowDown")) return;
    const { view } = this;
    event.preventDefault();
    if (this.frame) view.narrow({ text: this.search.value });
    if (!view.rows.length) return;
    if (event.key === "Enter") {
      view.open(view.rows[0]);
      elements.byId("details").focus();
    } else {
      elements.byId("grid").focus();
      view.point(view.rows[0]);
    }
  }

  show() {
    const { byId, make, fill, mark, say } = elements;
    const { view } = this;
    const { filter, run } = view;
    if (this.search.value !== filter.text && !this.frame) this.search.value = filter.text;
    this.project.value = filter.project;
    this.reason.value = filter.reason;
    const { totals } = run.page;
    const counts = {
      all: totals.servers, missing: totals.failed + totals.pending, failed: totals.failed,
      pending: totals.pending, collected: totals.collected,
    };
    // Of a run that goes on, buttons do not come and go under the pointer.
    const shown = Object.keys(counts).filter((state) => (state === "missing" ? totals.failed && totals.pending
      : state === "all" || run.running || counts[state] || filter.state === state));
    const text = JSON.stringify([counts, shown]);
    if (text !== this.counted) { // buttons keep the focus while nothing has changed
      this.counted = text;
      const focused = this.states.contains(document.activeElement) ? document.activeElement.dataset.state : null;
      fill(this.states, shown.map((state) => make(
        "button",
        { type: "button", "data-state": state, onclick: () => view.narrow({ state }) },
        state in elements.MARKS ? mark(state) : null, ` ${state[0].toUpperCase()}${state.slice(1)} `,
        make("b", {}, words.number(counts[state])),
      )));
      if (focused) this.states.querySelector(`[data-state="${focused}"]`)?.focus();
    }
    for (const button of this.states.children) {
      button.setAttribute("aria-pressed", String(button.dataset.state === filter.state));
    }
    byId("group").hidden = filter.group === null;
    if (filter.group) say(byId("group-name"), filter.group.label);
    const many = view.rows.length;
    say(byId("matches"), view.filtered
      ? `${words.number(many)} of ${words.count(run.size, "server")} ${many === 1 ? "matches" : "match"}`
      : words.count(run.size, "server"));
    byId("clear").hidden = !view.filtered;
  }

  key(event) {
    const field = /^(input|select|textarea)$/i.test(event.target.tagName ?? "");
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (event.key === "/" && !field) {
      this.search.focus({ preventScroll: true });
      this.search.select();
      elements.byId("servers").scrollIntoView(); // with the rows that are found
      event.preventDefault();
    } else if (event.key === "Escape" && !event.defaultPrevented) {
      if (this.view.opened >= 0 && event.target !== this.search) this.view.open(-1);
      else if (this.view.filtered) this.view.clear();
    }
  }
}
