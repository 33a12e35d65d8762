"use strict";
// Elements, made of text: nothing that a run says is ever read as HTML.

const elements = (() => {
  const byId = (id) => document.getElementById(id);

  /**
   * make("p", {class: "note", onclick}, "text", element): members that are functions listen, `aria-*`,
   * `class`, `data-*` and the like are attributes, the rest are properties.
   */
  function make(tag, members = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(members)) {
      if (value === null || value === undefined) continue;
      if (typeof value === "function") element.addEventListener(name.slice(2), value);
      else if (name in element && name !== "class" && !name.includes("-")) element[name] = value;
      else element.setAttribute(name === "className" ? "class" : name, value);
    }
    return put(element, ...children);
  }

  function put(element, ...children) {
    for (const child of children.flat(Infinity)) {
      if (child !== null && child !== undefined && child !== false) element.append(child);
    }
    return element;
  }

  /** Give an element these children in place of those that it has. */
  function fill(element, ...children) {
    element.replaceChildren();
    return put(element, ...children);
  }

  /** A name as the run has it: it cannot reorder what stands around it. */
  const named = (text, most = 200) => make("bdi", { class: "name" }, words.clipped(text, most));

  /** A mark and a word for a state: the colour is never alone. */
  const MARKS = { collected: "✓", failed: "✕", downloading: "↓", exporting: "◐", queued: "·", pending: "○" };
  const mark = (state) => make("span", { class: `mark ${state}`, "aria-hidden": "true" }, MARKS[state] ?? "");

  /** What to do, with `--options` as they are typed: no line breaks inside them. */
  const advice = (text) => text.split(/(--[a-z][\w-]*)/).map((part, at) => (at % 2 ? make("code", { class: "option" }, part) : part));

  /** Write text only where it is another: what a screen reader has read is not read again. */
  function say(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  return { byId, make, put, fill, named, advice, mark, MARKS, say };
})();
