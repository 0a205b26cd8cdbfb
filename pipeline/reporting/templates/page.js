"use strict";
(() => {
  const find = (id) => document.getElementById(id);
  const make = (tag, text, kind) => {
    const element = document.createElement(tag);
    if (text !== undefined) element.textContent = text;
    if (kind) element.className = kind;
    return element;
  };

  // light and dark: the system's, until somebody chooses
  const root = document.documentElement;
  const remember = (theme) => { try { localStorage.setItem("yoyak-theme", theme); } catch { /* a page from disk may not */ } };
  try { const theme = localStorage.getItem("yoyak-theme"); if (theme) root.dataset.theme = theme; } catch { /* as above */ }
  find("theme").addEventListener("click", () => {
    const dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    remember(root.dataset.theme);
  });

  // tables: numbers largest first, names from A
  for (const table of document.querySelectorAll("table.sortable")) {
    const heads = [...table.tHead.rows[0].cells];
    heads.forEach((head, column) => head.querySelector("button")?.addEventListener("click", () => {
      const numeric = head.classList.contains("number");
      const before = head.getAttribute("aria-sort");
      const down = before ? before === "ascending" : numeric;
      heads.forEach((other) => other.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const key = (row) => row.cells[column].dataset.v;
      const rows = [...table.tBodies[0].rows].sort((a, b) => {
        const [one, two] = [key(a), key(b)];
        // what has no value stands last, whichever way
        if (one === "" || two === "") return (one === "") - (two === "");
        const order = numeric ? one - two : one.localeCompare(two);
        return down ? -order : order;
      });
      table.tBodies[0].append(...rows);
    }));
  }

  // examples, on a page that has some
  if (!find("browser")) return;
  const data = JSON.parse(find("browser").textContent);
  const controls = { a: find("row-a"), b: find("row-b"), order: find("order"), size: find("size"), filter: find("filter") };
  const SPACE = /[ \t\n\v\f\r\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000\ufeff]*/y;
  let current = null;

  // [start, end, what it is] of each token; where the board's tokenizer left no cuts, of each word
  const tokens = (number) => {
    const text = data.texts[number], cuts = data.cuts[number], found = [];
    if (!cuts) {
      for (const word of text.matchAll(data.unit === "character" ? /\S/gu : /[\p{L}\p{N}]+/gu)) {
        found.push([word.index, word.index + word[0].length, word[0].toLowerCase()]);
      }
      return found;
    }
    let place = 0;
    for (const digit of cuts) {
      SPACE.lastIndex = place;
      SPACE.test(text);
      place = SPACE.lastIndex;
      const end = place + parseInt(digit, 36);
      found.push([place, end, text.slice(place, end)]);
      place = end;
    }
    return found;
  };
  const gramAt = (list, place, size) => list.slice(place, place + size).map((token) => token[2]).join("\u0001");
  const grams = (numbers, size) => {
    const found = new Set();
    for (const number of numbers) {
      const list = tokens(number);
      for (let i = 0; i + size <= list.length; i++) found.add(gramAt(list, i, size));
    }
    return found;
  };

  const mark = (number, sources, size) => {
    const text = data.texts[number], list = tokens(number), paragraph = make("p");
    paragraph.lang = "ko";
    if (!text.trim()) return Object.assign(paragraph, { textContent: "empty", className: "empty", lang: "en" });
    const flags = list.map(() => [false, false]);
    sources.forEach((source, which) => {
      for (let i = 0; i + size <= list.length; i++) {
        if (source.has(gramAt(list, i, size))) for (let j = i; j < i + size; j++) flags[j][which] = true;
      }
    });
    const kinds = flags.map(([reference, own]) => [reference && "reference", own && "document"].filter(Boolean).join(" "));
    let place = 0;
    for (let i = 0; i < list.length;) {
      let last = i;
      while (last + 1 < list.length && kinds[last + 1] === kinds[i]) last++;
      if (list[i][0] > place) paragraph.append(text.slice(place, list[i][0]));
      const part = text.slice(list[i][0], list[last][1]);
      paragraph.append(kinds[i] ? make("mark", part, kinds[i]) : part);
      place = list[last][1];
      i = last + 1;
    }
    paragraph.append(text.slice(place));
    return paragraph;
  };

  const write = (score) => (score === null ? "" : score.toFixed(4).replace("-", "−"));
  const panel = (title, value, paragraphs, kind) => {
    const box = make("div", undefined, kind), head = make("h3");
    head.append(make("span", title), make("span", value));
    box.append(head, ...paragraphs);
    return box;
  };
  const plain = (number) => Object.assign(make("p", data.texts[number]), { lang: "ko" });

  const show = () => {
    const detail = find("detail");
    detail.replaceChildren();
    if (!current) return;
    const size = Number(controls.size.value);
    const sources = [grams(current.references, size), grams([current.text], size)];
    const text = plain(current.text);
    text.classList.add("long");
    detail.append(panel(`Document ${current.id}`, `${data.texts[current.text].length.toLocaleString()} characters`, [text], "full"));
    if (current.references.length) {
      const title = current.references.length > 1 ? `${current.references.length} references` : "Reference";
      detail.append(panel(title, "", current.references.map(plain), "full"));
    }
    for (const side of ["a", "b"]) {
      const row = Number(controls[side].value), name = `${side.toUpperCase()}  ${data.rows[row]}`;
      const number = current.texts[row];
      const text = number === null ? make("p", "not decoded for this document") : mark(number, sources, size);
      const box = panel(name, write(current.scores[row]), [text], "");
      box.dataset.side = side;
      detail.append(box);
    }
  };

  const list = () => {
    const [a, b] = [Number(controls.a.value), Number(controls.b.value)];
    const score = (one, row) => one.scores[row] ?? -Infinity;
    const gap = (one) => (one.scores[a] ?? 0) - (one.scores[b] ?? 0);
    const wanted = controls.filter.value.trim().normalize("NFC").toLowerCase();
    const holds = (number) => number !== null && data.texts[number].toLowerCase().includes(wanted);
    const shown = data.documents.filter((one) => !wanted || one.id.toLowerCase().includes(wanted)
      || [one.text, ...one.references, one.texts[a], one.texts[b]].some(holds));
    const orders = {
      worst: (x, y) => score(x, a) - score(y, a), best: (x, y) => score(y, a) - score(x, a),
      loses: (x, y) => gap(x) - gap(y), wins: (x, y) => gap(y) - gap(x), file: (x, y) => x.place - y.place,
    };
    shown.sort(orders[controls.order.value]);
    find("count").textContent = `${shown.length} of ${data.documents.length}`;
    if (!shown.includes(current)) current = shown[0] ?? null;
    find("list").replaceChildren(...shown.map((one) => {
      const item = make("li"), button = make("button");
      const apart = gap(one);
      button.type = "button";
      button.dataset.id = one.id;
      const opening = Object.assign(make("small", data.texts[one.text].slice(0, 60)), { lang: "ko" });
      const sign = apart < 0 ? "−" : "+";
      button.append(make("span", one.id), make("span", write(one.scores[a])), make("span", sign + Math.abs(apart).toFixed(3)), opening);
      if (one === current) button.setAttribute("aria-current", "true");
      button.addEventListener("click", () => {
        find("list").querySelector("[aria-current]")?.removeAttribute("aria-current");
        button.setAttribute("aria-current", "true");
        current = one;
        show();
      });
      item.append(button);
      return item;
    }));
    show();
  };
  find("list").addEventListener("keydown", (event) => {
    const step = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    const other = step && document.activeElement.parentElement[step]?.firstElementChild;
    if (!other) return;
    event.preventDefault();
    other.focus();
    other.click();
  });
  const anew = () => { current = null; list(); };
  for (const name of ["a", "b", "filter"]) controls[name].addEventListener("input", list);
  controls.order.addEventListener("input", anew);
  controls.size.addEventListener("input", show);
  list();
  root.dataset.ready = "true";
})();
