"use strict";
// A virtual scroller: of any number of rows, only those that can be seen are elements.

class Scroller {
  /**
   * scroll: the element that scrolls. body: the element inside it that is as high as all rows.
   * make(): an element for a row. draw(element, row): give it the content of a row.
   */
  constructor({ scroll, body, make, draw }) {
    Object.assign(this, { scroll, body, make, draw, count: 0, height: 28, pool: [], frame: 0, shown: [0, 0] });
    scroll.addEventListener("scroll", () => this.soon(), { passive: true });
    new ResizeObserver(() => this.measure()).observe(scroll);
  }

  /** How high a row is says the style sheet: another on a narrow screen. */
  measure() {
    const height = parseFloat(getComputedStyle(this.scroll).getPropertyValue("--row")) || 28;
    if (height !== this.height) {
      const first = this.scroll.scrollTop / this.height;
      this.height = height;
      this.resize();
      this.scroll.scrollTop = first * height;
    }
    this.redraw();
  }

  set rows(count) {
    this.count = count;
    this.resize();
    this.redraw();
  }

  resize() {
    this.body.style.height = `${this.count * this.height}px`;
  }

  /** Draw in the next frame, once, however often it is asked for. */
  soon() {
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.redraw();
    });
  }

  get head() {
    return this.body.offsetTop;
  }

  get page() {
    return Math.max(1, Math.floor((this.scroll.clientHeight - this.head) / this.height) - 1);
  }

  redraw() {
    const top = this.scroll.scrollTop;
    const first = Math.max(0, Math.floor(top / this.height) - 4);
    const last = Math.min(this.count, Math.ceil((top + this.scroll.clientHeight) / this.height) + 4);
    const wanted = last - first;
    while (this.pool.length < wanted) {
      const element = this.make();
      this.pool.push(element);
      this.body.append(element);
    }
    // A row keeps its element while it is in sight: what points to it stays true.
    for (let row = first; row < last; row += 1) {
      const element = this.pool[row % this.pool.length];
      element.style.transform = `translateY(${row * this.height}px)`;
      element.hidden = false;
      this.draw(element, row);
    }
    this.pool.forEach((element, at) => {
      const row = first + ((((at - first) % this.pool.length) + this.pool.length) % this.pool.length);
      if (row >= last) element.hidden = true;
    });
    this.shown = [first, last];
  }

  /** The element of a row that is in sight; null where it is not. */
  element(row) {
    return row >= this.shown[0] && row < this.shown[1] ? this.pool[row % this.pool.length] : null;
  }

  /** Scroll as little as shows a row. */
  reveal(row) {
    const top = row * this.height;
    const room = this.scroll.clientHeight - this.head;
    if (top < this.scroll.scrollTop) this.scroll.scrollTop = top;
    else if (top + this.height > this.scroll.scrollTop + room) this.scroll.scrollTop = top + this.height - room;
    this.redraw();
  }
}
