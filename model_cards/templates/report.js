"use strict";
(() => {
  const number = new Intl.NumberFormat("en-US");
  const counted = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;

  // sorting: a button in each header, the state in aria-sort, told by the table's caption
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });
  const keyOf = (row, at) => {
    const cell = row.cells[at];
    const told = cell.dataset.sort ?? cell.querySelector("data")?.value;
    return told === undefined ? cell.textContent.trim() : Number(told);
  };
  const compare = (one, other) =>
    typeof one === "number" && typeof other === "number" ? one - other : collator.compare(String(one), String(other));

  const sort = (table, header) => {
    const headers = [...header.parentElement.cells];
    const at = headers.indexOf(header);
    const down = header.getAttribute("aria-sort") === "ascending";
    for (const other of headers) other.removeAttribute("aria-sort");
    header.setAttribute("aria-sort", down ? "descending" : "ascending");
    const body = table.tBodies[0];
    const keyed = [...body.rows].map((row) => [keyOf(row, at), row]);
    keyed.sort(([one], [other]) => (down ? compare(other, one) : compare(one, other)));
    body.append(...keyed.map(([, row]) => row));
  };

  for (const table of document.querySelectorAll("table[data-sortable]")) {
    for (const header of table.tHead.rows[0].cells) {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...header.childNodes);
      button.addEventListener("click", () => sort(table, header));
      header.append(button);
    }
  }

  // filtering: rows that do not match are hidden on the screen, never on paper
  const filter = document.getElementById("finding-filter");
  if (filter) {
    const rows = [...document.querySelectorAll("#finding-table tbody tr")];
    const selects = [...filter.querySelectorAll("select")];
    const search = document.getElementById("filter-text");
    const status = document.getElementById("finding-count");
    const words = new Map();

    for (const select of selects) {
      const values = [...new Set(rows.map((row) => row.dataset[select.dataset.key]))].sort(collator.compare);
      for (const value of ["", ...values]) {
        const option = document.createElement("option");
        option.value = value === "" ? "" : `=${value}`;
        option.textContent = value === "" ? "all" : value;
        select.append(option);
      }
    }

    // the words of a finding are those of its row and of its examples further below
    const wordsOf = (row) => {
      if (!words.has(row)) {
        const parts = [row.textContent];
        const start = document.getElementById(row.querySelector("a[href]").getAttribute("href").slice(1));
        for (let part = start; part && (part === start || !/^(H[1-6]|UL|DETAILS)$/.test(part.tagName)); part = part.nextElementSibling) {
          parts.push(part.textContent);
        }
        words.set(row, parts.join(" ").toLowerCase());
      }
      return words.get(row);
    };

    const apply = () => {
      const wanted = search.value.toLowerCase().split(/\s+/).filter(Boolean);
      let shown = 0, affected = 0;
      for (const row of rows) {
        const matches =
          selects.every((select) => select.value === "" || select.value === `=${row.dataset[select.dataset.key]}`) &&
          wanted.every((word) => wordsOf(row).includes(word));
        row.hidden = !matches;
        if (matches) {
          shown += 1;
          affected += Number(row.dataset.rows);
        }
      }
      status.textContent = `${number.format(shown)} of ${counted(rows.length, "finding")} shown. They list ${counted(affected, "row")}; one may stand in several.`;
    };

    const clear = () => {
      for (const select of selects) select.value = "";
      search.value = "";
      apply();
    };
    for (const select of selects) select.addEventListener("change", apply);
    search.addEventListener("input", apply);
    document.getElementById("filter-clear").addEventListener("click", clear);
    filter.hidden = false;
    apply();
  }

  // a link to an example opens what it stands in
  const reveal = () => {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    for (let part = target; part; part = part.parentElement) if (part.tagName === "DETAILS") part.open = true;
    if (target?.tabIndex === -1) target.focus();
    target?.scrollIntoView();
  };
  addEventListener("hashchange", reveal);
  if (location.hash) reveal();

  // what is closed is not printed: one button opens all of it, and closes it again
  const opener = document.getElementById("open-all");
  opener.querySelector("button").addEventListener("click", ({ currentTarget: button }) => {
    const open = button.getAttribute("aria-pressed") !== "true";
    for (const section of document.querySelectorAll("details")) section.open = open;
    button.setAttribute("aria-pressed", String(open));
  });
  opener.hidden = false;

  // what scrolls sideways can be reached by the keyboard
  const regions = () => {
    for (const box of document.querySelectorAll(".scroll")) {
      const scrolls = box.scrollWidth > box.clientWidth + 1;
      const name = box.querySelector("caption")?.textContent ?? "Table";
      for (const [key, value] of [["tabindex", "0"], ["role", "region"], ["aria-label", name]]) {
        if (scrolls) box.setAttribute(key, value);
        else box.removeAttribute(key);
      }
    }
  };
  addEventListener("resize", regions);
  addEventListener("toggle", regions, true);
  regions();
})();
