"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const table = document.getElementById("matrix");
  const panel = document.getElementById("panel");
  const filters = document.getElementById("filters");
  const byId = (id) => document.getElementById(id);
  const glyphs = { pass: "✓", fail: "✗", unsupported: "∅", broken: "!" };

  // make builds an element; what it holds is text, never markup, for it may come from a guest.
  function make(name, className, ...children) {
    const element = document.createElement(name);
    if (className) element.className = className;
    for (const child of children) if (child !== "" && child != null) element.append(child);
    return element;
  }

  // Filters.
  function filter() {
    const { story, family, differs } = filters.elements;
    table.dataset.family = family.value;
    let shown = 0, all = 0;
    for (const body of table.tBodies) {
      let here = 0;
      for (const row of body.querySelectorAll("tr.claim")) {
        const has = (list) => list.split(" ").some((f) => f && (!family.value || f === family.value));
        const wanted = (!story.value || story.value === body.dataset.story) && has(row.dataset.families) &&
          (!differs.checked || has(row.dataset.differs));
        row.hidden = !wanted;
        all++;
        if (wanted) here++;
      }
      body.hidden = here === 0;
      shown += here;
    }
    byId("shown").textContent = `${shown} of ${all} claims`;
  }
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();

  // The cells can be walked with the arrow keys.
  table.addEventListener("keydown", (event) => {
    const cell = event.target.closest("td");
    if (!cell) return;
    const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
    if (!step) return;
    event.preventDefault();
    const rows = [...table.querySelectorAll("tr.claim:not([hidden])")].filter((row) => !row.parentElement.hidden);
    let row = rows.indexOf(cell.parentElement), column = cell.cellIndex;
    for (;;) {
      row += step[0];
      column += step[1];
      const next = rows[row]?.cells[column];
      if (!next || column < 1) return;
      const button = next.querySelector("button");
      if (button) return button.focus();
    }
  });

  // The panel. What it shows of a claim is packed: base64 of gzip of JSON.
  let shownAt = null;
  async function unpack(claim) {
    const packed = Uint8Array.from(atob(data.claims[claim].pack), (c) => c.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(plain).text());
  }

  function verdict(v) { return make("span", "v " + v, glyphs[v] + " " + v); }

  async function show(claim, kernel) {
    const { id, kernels } = data.claims[claim], k = data.kernels[kernel];
    if (!kernels.includes(kernel)) return;
    const at = shownAt = { claim, kernel };
    byId("panel-title").textContent = `${id} on ${k.label}`;
    byId("earlier").disabled = neighbour(-1) < 0;
    byId("later").disabled = neighbour(1) < 0;
    if (!panel.open) panel.showModal();
    history.replaceState(null, "", `#${id}@${encodeURIComponent(k.name)}`);
    const body = byId("panel-body");
    let c;
    try {
      c = await unpack(claim);
    } catch (error) {
      if (at === shownAt) body.replaceChildren(make("p", "", "This browser cannot unpack the details. A newer one can; matrix.json has what was observed, the kernels' folders have the captures."));
      return;
    }
    if (at !== shownAt) return; // another was asked for meanwhile
    body.replaceChildren(
      make("p", "claim-text", c.text),
      make("p", "sources", `${c.level}: ${(c.sources || []).join(", ")}` +
        (c.feature ? `; needs ${c.feature}` + (c.since ? `, since ${c.since}` : "") : "")),
      make("p", "sources", `Linux ${k.release}`),
      ...c.cells[kernel].map((f) => family(c, f)));
    body.scrollTop = 0;
  }

  function family(c, f) {
    const left = f.left >= 0 ? data.kernels[f.left].label : "";
    const head = make("h3", "", `IPv${f.family}`, verdict(f.verdict));
    if (f.differs.length) {
      head.append(make("span", "mark", "≠ " + left + ": " + (f.differs[0] === "verdict"
        ? `there it is ${c.cells[f.left].find((o) => o.family === f.family).verdict}` : plural(f.differs.length, "observation"))));
    } else if (left) {
      head.append(make("span", "sources", "as on " + left));
    }
    const section = make("section", "of", head);
    const before = f.left >= 0 ? c.cells[f.left].find((o) => o.family === f.family) : null;
    for (const s of f.specs) {
      if (s.case || f.specs.length > 1) section.append(make("h4", "", s.case || "case", " ", verdict(s.verdict)));
      section.append(make("p", "sources", `${s.text} (${s.seconds})`));
      if (s.reason) section.append(make("pre", "why-not " + s.verdict, s.reason));
      if (s.state) section.append(make("p", "sources", s.state));
      if (s.seen.length) section.append(seen(s, before?.specs.find((o) => o.case === s.case), left));
      if (s.ladder != null) section.append(drawing(c.ladders[s.ladder]));
      else if (s.packets?.length) section.append(ladder(s.packets));
      const files = make("p", "files");
      if (s.pcapng) {
        const link = make("a", "", s.pcapng);
        link.href = s.pcapng.split("/").map(encodeURIComponent).join("/");
        files.append(link);
      }
      if (s.again) files.append(make("code", "", (s.pcapng ? "  ·  " : "") + s.again));
      section.append(files);
    }
    return section;
  }

  function seen(spec, before, left) {
    const has = before && before.seen.length;
    const rows = make("tbody");
    for (const o of spec.seen) {
      const was = has ? before.seen.find((b) => b.name === o.name)?.value ?? "-" : "";
      const row = make("tr", o.differs ? "moved" : "", make("th", "", (o.differs ? "≠ " : "") + o.name), make("td", "", o.value));
      if (has) row.append(make("td", "", was));
      row.append(make("td", "meaning", data.meanings[o.name] || ""));
      rows.append(row);
    }
    const head = make("tr", "", make("th", "", "observed"), make("th", "", data.kernels[shownAt.kernel].label));
    if (has) head.append(make("th", "", left));
    head.append(make("th", "meaning", ""));
    return make("div", "wide", make("table", "seen", make("thead", "", head), rows));
  }

  // drawing places an SVG element, whose texts package ladder has escaped.
  function drawing(svg) {
    const place = make("div", "drawing");
    place.innerHTML = svg;
    return place;
  }

  function ladder(lines) {
    const block = make("pre", "ladder");
    for (const line of lines) {
      const kind = / -x |not delivered/.test(line) ? "lost" : /^\S+ s +·/.test(line) ? "note" : "";
      block.append(make("span", kind, line));
    }
    return block;
  }

  function plural(n, one) { return n === 1 ? `1 ${one}` : `${n} ${one}s`; }

  // neighbour is the next kernel in a direction that decided the claim; -1 if there is none.
  function neighbour(step) {
    const kernels = data.claims[shownAt.claim].kernels;
    for (let k = shownAt.kernel + step; k >= 0 && k < data.kernels.length; k += step) if (kernels.includes(k)) return k;
    return -1;
  }
  function move(step) {
    const kernel = neighbour(step);
    if (kernel >= 0) show(shownAt.claim, kernel);
  }

  table.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-claim]");
    if (button) show(Number(button.dataset.claim), Number(button.dataset.kernel));
  });
  byId("earlier").addEventListener("click", () => move(-1));
  byId("later").addEventListener("click", () => move(1));
  byId("close").addEventListener("click", () => panel.close());
  panel.addEventListener("click", (event) => { if (event.target === panel) panel.close(); });
  panel.addEventListener("keydown", (event) => {
    if (event.key === "ArrowLeft") move(-1);
    if (event.key === "ArrowRight") move(1);
  });
  panel.addEventListener("close", () => {
    history.replaceState(null, "", location.pathname + location.search);
    table.querySelector(`button[data-claim="${shownAt.claim}"][data-kernel="${shownAt.kernel}"]`)?.focus();
  });

  // An address with #CLAIM@KERNEL opens that cell.
  function fromAddress() {
    const [id, name] = decodeURIComponent(location.hash.slice(1)).split("@");
    const claim = data.claims.findIndex((c) => c.id === id);
    const kernel = data.kernels.findIndex((k) => k.name === name || k.label === name);
    if (claim >= 0 && kernel >= 0) show(claim, kernel);
  }
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
})();
