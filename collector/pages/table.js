"use strict";
// The table of servers: its head, its rows, and how it is followed with the keyboard.

class Table {
  constructor(view) {
    const { byId, make } = elements;
    this.view = view;
    this.grid = byId("grid");
    this.heads = {};
    this.makeHead();
    this.scroller = new Scroller({
      scroll: this.grid,
      body: byId("rows"),
      make: () => this.makeRow(),
      draw: (element, row) => this.drawRow(element, row),
    });
    this.order = byId("order");
    for (const [name, { label }] of Object.entries(COLUMNS)) this.order.append(make("option", { value: name }, label));
    this.order.addEventListener("change", () => view.sortBy(this.order.value));
    new ResizeObserver(() => this.fit()).observe(this.grid);
    this.grid.addEventListener("keydown", (event) => this.key(event));
    this.grid.addEventListener("focus", () => {
      if (view.rowOf(view.active) < 0 && view.rows.length) view.point(view.rows[this.scroller.shown[0]] ?? view.rows[0]);
    });
    view.addEventListener("change", () => this.show());
    view.addEventListener("point", () => this.mark());
    this.show();
  }

  /** Fewer columns where there is less room, beside open details too. */
  fit() {
    this.grid.classList.toggle("narrow", this.grid.clientWidth < 1080);
    this.grid.classList.toggle("slim", this.grid.clientWidth < 820);
  }

  makeHead() {
    const { byId, make } = elements;
    for (const [name, { label, title, number }] of Object.entries(COLUMNS)) {
      const button = make("button", { type: "button", tabIndex: -1, title, onclick: () => this.view.sortBy(name) }, label,
        make("span", { class: "arrow", "aria-hidden": "true" }));
      this.heads[name] = make("div", { role: "columnheader", class: `cell ${name}${number ? " number" : ""}` }, button);
      byId("head").append(this.heads[name]);
    }
  }

  makeRow() {
    const { make } = elements;
    const row = make("div", { role: "row", class: "row", id: `row-${this.scroller?.pool.length ?? 0}` });
    row.cells = {};
    for (const [name, column] of Object.entries(COLUMNS)) {
      const cell = make("div", { role: "gridcell", class: `cell ${name}${column.number ? " number" : ""}` });
      row.cells[name] = column.name ? cell.appendChild(make("bdi")) : cell;
      if (column.state) {
        cell.append(make("span", { class: "mark", "aria-hidden": "true" }), make("span"));
      }
      row.append(cell);
    }
    row.addEventListener("click", () => {
      this.view.open(row.server);
      this.grid.focus({ preventScroll: true });
    });
    return row;
  }

  drawRow(element, row) {
    const { view } = this;
    const { run } = view;
    const server = view.rows[row];
    element.server = server;
    element.setAttribute("aria-rowindex", row + 2);
    for (const name in COLUMNS) {
      const column = COLUMNS[name];
      const cell = element.cells[name];
      if (column.state) {
        const state = run.state(server);
        if (cell.shown === state) continue;
        cell.shown = state;
        cell.firstChild.className = `mark ${state}`;
        elements.say(cell.firstChild, elements.MARKS[state]);
        elements.say(cell.lastChild, STATE_WORDS[state]);
      } else {
        elements.say(cell, words.clipped(column.show(run, server), 160));
      }
    }
    this.markRow(element);
  }

  markRow(element) {
    const { view } = this;
    const active = element.server === view.active;
    element.classList.toggle("active", active);
    element.classList.toggle("opened", element.server === view.opened);
    element.setAttribute("aria-selected", String(active));
  }

  /** Show the rows of the view as it is now; where it was scrolled to stays. */
  show() {
    const { view } = this;
    this.grid.setAttribute("aria-rowcount", view.rows.length + 1);
    for (const [name, head] of Object.entries(this.heads)) {
      const sorted = view.sort.column === name;
      if (sorted) head.setAttribute("aria-sort", view.sort.descending ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    this.order.value = view.sort.column;
    elements.byId("none").hidden = view.rows.length > 0;
    elements.say(elements.byId("none-text"), view.run.size ? "No server matches." : "No servers were selected.");
    elements.byId("clear-none").hidden = !view.run.size;
    this.grid.style.maxHeight = `${(Math.max(3, view.run.size) + 1) * this.scroller.height + 8}px`;
    this.scroller.rows = view.rows.length;
    this.mark();
  }

  /** Show where the cursor is. */
  mark() {
    for (const element of this.scroller.pool) if (!element.hidden) this.markRow(element);
    const row = this.view.rowOf(this.view.active);
    const element = row < 0 ? null : this.scroller.element(row);
    if (element) this.grid.setAttribute("aria-activedescendant", element.id);
    else this.grid.removeAttribute("aria-activedescendant");
  }

  move(row) {
    const { view } = this;
    if (!view.rows.length) return;
    const to = Math.min(view.rows.length - 1, Math.max(0, row));
    this.scroller.reveal(to);
    if (view.opened >= 0) view.open(view.rows[to]);
    else view.point(view.rows[to]);
  }

  reveal(server) {
    const row = this.view.rowOf(server);
    if (row >= 0) this.scroller.reveal(row);
    this.mark();
  }

  key(event) {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const { view, scroller } = this;
    const row = view.rowOf(view.active);
    const moves = {
      ArrowDown: row + 1, ArrowUp: row - 1, PageDown: row + scroller.page, PageUp: row - scroller.page,
      Home: 0, End: view.rows.length - 1,
    };
    if (event.key in moves) this.move(moves[event.key]);
    else if ((event.key === "Enter" || event.key === " ") && row >= 0) {
      view.open(view.active);
      elements.byId("details").focus();
    } else return;
    event.preventDefault();
  }
}
