"use strict";
(() => {
  const table = document.getElementById("table");
  const tools = document.getElementById("tools");
  if (!table) return;

  const cases = [...table.tBodies].filter((body) => body.dataset.v).map((body, index) => {
    const row = body.rows[0];
    return {
      body, row, index,
      details: body.querySelector("details"),
      text: `${row.textContent} ${body.querySelector(".panel code").textContent}`.toLowerCase(),
    };
  });
  const headings = [...table.querySelectorAll("tbody.under")];
  const label = (one) => one.row.cells[0].dataset.l ?? one.row.cells[0].textContent.trim();
  const boxes = (name) => [...tools.querySelectorAll(`[name=${name}]`)];

  // Filter by text and result
  const filter = document.getElementById("filter");
  const shown = document.getElementById("shown");
  const apply = () => {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    const results = new Set(boxes("result").filter((b) => b.checked).map((b) => b.value));
    let count = 0;
    for (const one of cases) {
      const fits = results.has(one.body.dataset.v) && words.every((w) => one.text.includes(w));
      one.body.hidden = !fits;
      count += fits;
    }
    for (const heading of headings) {
      let next = heading.nextElementSibling;
      while (next?.dataset.v && next.hidden) next = next.nextElementSibling;
      heading.hidden = !next?.dataset.v;
    }
    shown.textContent = `${count.toLocaleString("en")} of ${cases.length.toLocaleString("en")} cases`;
  };
  let waiting = 0;
  filter.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(apply, 60);
  });
  boxes("result").forEach((box) => box.addEventListener("change", apply));

  // Sort: numbers by their value with unknown ones last, the first click on a figure largest first
  const heads = [...table.tHead.rows[0].cells];
  const number = (one, column) => {
    const value = one.row.cells[column].dataset.n;
    return value === undefined ? null : Number(value);
  };
  const sort = (column, direction) => {
    const numeric = heads[column].dataset.sort === "number";
    const keys = new Map(cases.map((one) => [
      one, numeric ? number(one, column) : column ? one.row.cells[column].textContent.trim() : label(one),
    ]));
    const collator = new Intl.Collator("en", { numeric: true });
    const order = [...cases].sort((a, b) => {
      const x = keys.get(a), y = keys.get(b);
      if (x === null || y === null) return (x === null) - (y === null) || a.index - b.index;
      return direction * (numeric ? x - y : collator.compare(x, y)) || a.index - b.index;
    });
    const all = document.createDocumentFragment();
    headings.splice(0).forEach((heading) => heading.remove());
    order.forEach((one) => {
      if (one.row.cells[0].dataset.l) one.row.cells[0].textContent = label(one);
      all.append(one.body);
    });
    table.append(all);
    heads.forEach((head) => head.removeAttribute("aria-sort"));
    heads[column].setAttribute("aria-sort", direction > 0 ? "ascending" : "descending");
  };
  heads.forEach((head, column) => {
    const button = document.createElement("button");
    button.type = "button";
    button.append(...head.childNodes);
    head.append(button);
    button.addEventListener("click", () => {
      const first = head.dataset.sort === "number" ? -1 : 1;
      const sorted = head.getAttribute("aria-sort");
      const was = sorted === "ascending" ? 1 : sorted === "descending" ? -1 : 0;
      sort(column, was ? -was : first);
    });
  });

  // Choose columns; the narrow page's choice holds until the reader makes one
  const columns = boxes("column");
  const cellsOf = (column) => [heads[column], ...cases.map((one) => one.row.cells[column])];
  columns.forEach((box) => {
    const column = Number(box.value) - 1;
    box.checked = getComputedStyle(heads[column]).display !== "none";
    box.addEventListener("change", () => {
      for (const cell of cellsOf(column)) {
        cell.classList.remove("minor", "wide");
        cell.hidden = !box.checked;
      }
    });
  });

  // Copy what is shown as CSV; text that a spreadsheet would run as a formula is marked as text
  const quoted = (value, text) => {
    const safe = text && /^[=+\-@\t\r]/.test(value) ? `'${value}` : value;
    return /[",\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
  };
  const csv = () => {
    const visible = heads.map((head, i) => i).filter((i) => !heads[i].hidden);
    const mixed = visible.map((i) => table.querySelector(`td:nth-child(${i + 1})[data-e]`));
    const line = (value, mark) => visible.flatMap((i, at) => mixed[at] ? [value(i), mark(i)] : [value(i)]).join(",");
    const title = (i) => heads[i].textContent.trim();
    const lines = [line((i) => quoted(title(i), true), (i) => quoted(`${title(i)} estimated`, true))];
    for (const body of table.tBodies) {
      if (body.hidden || !body.dataset.v) continue;
      const cells = body.rows[0].cells;
      lines.push(line((i) => heads[i].dataset.sort === "number"
        ? cells[i].dataset.n ?? ""
        : quoted(cells[i].dataset.l ?? (cells[i].querySelector(".v")?.lastChild ?? cells[i]).textContent.trim(), true),
      (i) => "e" in cells[i].dataset ? "yes" : "no"));
    }
    return `${lines.join("\n")}\n`;
  };
  const copied = async (text) => {
    if (navigator.clipboard) {
      try {
        await navigator.clipboard.writeText(text);
        return true;
      } catch (error) {
        if (error.name !== "NotAllowedError") throw error;
      }
    }
    const area = document.createElement("textarea");
    area.value = text;
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  };
  document.getElementById("copy").addEventListener("click", async () => {
    const text = csv();
    const lines = text.split("\n").length - 2;
    shown.textContent = await copied(text)
      ? `${lines.toLocaleString("en")} rows copied: joules, seconds, fractions`
      : "The browser refused to copy";
  });

  // A big page's panels come packed, as what is shown without scripts, and are unpacked when opened
  const unpack = (details) => {
    const packed = details.querySelector("noscript");
    if (packed) packed.outerHTML = packed.textContent;
  };
  table.addEventListener("toggle", (event) => unpack(event.target), true);

  // A count of results shows the cases that came to it
  const part = table.closest("details.part");
  document.querySelectorAll("[data-result]").forEach((link) => link.addEventListener("click", () => {
    boxes("result").forEach((box) => { box.checked = box.value === link.dataset.result; });
    apply();
    part.open = true;
  }));

  // A link to a case unfolds it, also where a filter hides it
  const follow = () => {
    const panel = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const body = panel?.closest("tbody");
    if (!body || !panel.classList.contains("panel")) return;
    body.hidden = false;
    const details = panel.closest("details");
    unpack(details);
    part.open = details.open = true;
    body.querySelector("summary").focus({ preventScroll: true });
    body.scrollIntoView({ block: "start" });
  };
  addEventListener("hashchange", follow);

  // A click anywhere on a row unfolds it, unless it ends a selection
  table.addEventListener("click", (event) => {
    const row = event.target.closest("tbody > tr");
    if (!row || row.rowIndex < 0 || event.target.closest("a, button, summary, .fold")) return;
    if (String(getSelection())) return;
    const details = row.parentElement.querySelector("details");
    details.open = !details.open;
  });

  tools.addEventListener("submit", (event) => event.preventDefault());
  tools.hidden = false;
  apply();
  follow();
})();
