"use strict";
// Where a page's data come from: out of the file itself, or from the collector that serves it.

const data = (() => {
  /** What a live page is told by its server: URLs of data, events and, perhaps, stop; null in a report. */
  function source() {
    const meta = document.querySelector('meta[name="collector-live"]');
    return meta ? JSON.parse(meta.content) : null;
  }

  /** The data inside this file: JSON, compressed by gzip, in base64. */
  async function embedded() {
    const holder = document.getElementById("data");
    const text = atob(holder.textContent.trim());
    holder.textContent = ""; // some megabytes that nobody reads again
    const bytes = new Uint8Array(text.length);
    for (let at = 0; at < text.length; at += 1) bytes[at] = text.charCodeAt(at);
    const inflated = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"));
    return new Response(inflated).json();
  }

  /** The data as they are now, and which revision they are: events are asked for from there on. */
  async function fetched(url) {
    const response = await fetch(url, { cache: "no-store", credentials: "same-origin" });
    if (response.status === 409) throw new Error((await response.text()).trim()); // it says why
    if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trim());
    return { page: await response.json(), revision: (response.headers.get("ETag") ?? "").replace(/^(W\/)?"|"$/g, "") };
  }

  return { source, embedded, fetched };
})();
