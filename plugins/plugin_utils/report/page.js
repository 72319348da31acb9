// SPDX-License-Identifier: GPL-3.0-or-later
// Makes the page searchable; without it everything is there all the same.
"use strict";
(() => {
  // A finding is found by what its kind says as well: its cause, its remedy, its owner.
  const explained = (row) => Array.from(row.closest(".kind")?.querySelectorAll("h3, dl") ?? [], (part) => part.textContent);
  const rows = Array.from(document.querySelectorAll("tbody tr"), (row) => ({
    row,
    text: [row.textContent, ...explained(row)].join(" ").toLowerCase(),
  }));
  const kinds = Array.from(document.querySelectorAll(".kind"), (kind) => ({ kind, rows: kind.querySelectorAll("tbody tr") }));
  const query = document.getElementById("query");
  const found = document.getElementById("found");
  const show = () => {
    const words = query.value.toLowerCase().split(/\s+/).filter(Boolean);
    let left = 0;
    for (const { row, text } of rows) {
      row.hidden = !words.every((word) => text.includes(word));
      left += !row.hidden;
    }
    for (const { kind, rows } of kinds) kind.hidden = Array.prototype.every.call(rows, (row) => row.hidden);
    found.textContent = words.length ? `${left} of ${rows.length} rows` : "";
  };
  document.getElementById("search").hidden = false;
  query.addEventListener("input", show);
  document.addEventListener("keydown", (event) => {
    if (event.key === "/" && event.target !== query) {
      event.preventDefault();
      query.focus();
    }
    if (event.key === "Escape" && event.target === query) {
      query.value = "";
      show();
    }
  });
})();
