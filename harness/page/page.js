"use strict";
(() => {
  const claims = [...document.querySelectorAll("details.claim")];
  const filters = document.getElementById("filters");
  filters.hidden = false;

  // A pack is base64 of gzip of a JSON array of SVG elements, which package ladder has escaped.
  async function unpack(text) {
    const packed = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
    const plain = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
    return JSON.parse(await new Response(plain).text());
  }

  async function draw(claim) {
    const pack = claim.querySelector("script.pack");
    if (!pack || pack.dataset.taken) return;
    pack.dataset.taken = "yes";
    const places = [...claim.querySelectorAll(".drawing.packed")];
    try {
      const drawings = await unpack(pack.textContent);
      places.forEach((place, i) => { place.innerHTML = drawings[i]; });
    } catch (error) {
      for (const place of places) place.textContent = "This browser cannot unpack the diagram; `halfopen show` draws it, and so does Wireshark of the capture.";
    }
  }
  for (const claim of claims) {
    claim.addEventListener("toggle", () => { if (claim.open) draw(claim); });
    if (claim.open) draw(claim);
  }

  // What an observation means shows where its name is pointed at.
  const meanings = {};
  for (const row of document.querySelectorAll(".meanings div")) meanings[row.querySelector("dt").textContent] = row.querySelector("dd").textContent;
  document.addEventListener("pointerover", (event) => {
    const name = event.target.closest?.(".seen dt");
    if (name && !name.title) name.title = meanings[name.textContent] || "";
  });

  const texts = claims.map((claim) => (claim.id + " " + claim.querySelector("summary").textContent + " " + claim.querySelector(".sources").textContent).toLowerCase());
  function filter() {
    const words = filters.elements.words.value.toLowerCase().split(/\s+/).filter(Boolean);
    const verdict = filters.elements.verdict.value;
    let shown = 0;
    claims.forEach((claim, i) => {
      claim.hidden = !words.every((w) => texts[i].includes(w)) || verdict !== "" && !claim.dataset.verdicts.split(" ").includes(verdict);
      if (!claim.hidden) shown++;
    });
    for (const story of document.querySelectorAll(".story")) story.hidden = !story.querySelector(".claim:not([hidden])");
    document.getElementById("shown").textContent = `${shown} of ${claims.length} claims`;
  }
  filters.addEventListener("input", filter);
  filters.addEventListener("submit", (event) => event.preventDefault());
  filter();
  document.getElementById("open-all").addEventListener("click", () => { for (const c of claims) if (!c.hidden) c.open = true; });
  document.getElementById("close-all").addEventListener("click", () => { for (const c of claims) c.open = false; });

  // An address with #STORY/CLAIM opens the claim, and opening one makes such an address.
  function fromAddress() {
    const claim = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (claim?.matches("details.claim")) { claim.open = true; claim.scrollIntoView(); }
  }
  window.addEventListener("hashchange", fromAddress);
  fromAddress();
  document.addEventListener("click", (event) => {
    const claim = event.target.closest?.("summary")?.parentElement;
    if (claim?.matches(".claim") && !claim.open) history.replaceState(null, "", "#" + claim.id);
  });
})();
