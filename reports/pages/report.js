"use strict";
// Lists, filters and opens the cases of a report. The page and its packs are opened from files: nothing is fetched, a
// pack is a script that calls finwait.pack().
const finwait = {};

(async () => {
  const $ = (id) => document.getElementById(id);
  const slug = (text) => text.replace(/\W+/g, "-");
  const make = (tag, properties, ...children) => {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  };
  const inflate = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    return JSON.parse(await new Response(stream).text());
  };

  const MOST = 200; // rows of a group that are shown unasked
  const form = $("filter").elements;
  const fields = ["q", "kernel", "kind", "theme", "state", "clause"];
  const data = await inflate($("data").textContent);
  const conforms = data.kinds.length - 1;
  const cases = data.cases.map(([id, theme, clauses, found], number) => {
    const cited = clauses.map((one) => data.clauses[one]);
    const whys = [...new Set(found.filter(Boolean).map(([, why]) => data.whys[why]))];
    const text = [id, ...cited, ...whys].join("\n").toLowerCase();
    return { number, id, theme: data.themes[theme], cited: cited.map((one) => one.toLowerCase()), found, text };
  });
  const byId = new Map(cases.map((one) => [one.id, one]));
  for (const [name, values] of [["kernel", data.runs], ["kind", data.kinds], ["theme", data.themes.toSorted?.() ?? data.themes]])
    form[name].append(...values.map((value) => make("option", { value, textContent: value })));

  $("clauses").append(...[...data.clauses].sort().map((value) => make("option", { value })));

  // -- the packs, each loaded when a case of it is looked at

  const packs = new Map();
  const waiting = new Map();
  finwait.pack = (number, text) => waiting.get(number).resolve(inflate(text));
  const pack = (number) => {
    if (!packs.has(number))
      packs.set(number, new Promise((resolve, reject) => {
        waiting.set(number, { resolve });
        const script = make("script", { src: `cases/${number}.js` });
        script.onerror = () => reject(new Error(`cases/${number}.js cannot be read: the folder "cases" belongs to this page`));
        document.head.append(script);
      }));
    return packs.get(number);
  };

  // -- what the address says

  let wanted = new URLSearchParams();
  let order = [];
  const go = (changes, replace) => {
    const next = new URLSearchParams(wanted);
    for (const [name, value] of Object.entries(changes)) value ? next.set(name, value) : next.delete(name);
    const address = "#" + next;
    if (replace) { history.replaceState(null, "", address); look(); }
    else location.hash = address;
  };

  // -- the list

  const stated = (state) => new RegExp(`(^|[^A-Z-]|[\\[-])${state}(?![A-Z0-9])`);
  const select = () => {
    const run = data.runs.indexOf(wanted.get("kernel"));
    const kind = data.kinds.indexOf(wanted.get("kind"));
    const theme = wanted.get("theme");
    const state = wanted.get("state") && stated(wanted.get("state"));
    const clause = (wanted.get("clause") ?? "").trim().toLowerCase();
    const whole = data.clauses.some((one) => one.toLowerCase() === clause); // MUST-1 is not the beginning of MUST-13
    const isClause = (cited) => (whole ? cited === clause : cited.startsWith(clause));
    const words = (wanted.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
    const groups = data.kinds.map(() => new Map());
    for (const one of cases) {
      if (theme && one.theme !== theme) continue;
      if (state && !state.test(one.id)) continue;
      if (clause && !one.cited.some(isClause)) continue;
      if (!words.every((word) => one.text.includes(word))) continue;
      const its = (run >= 0 ? [one.found[run]] : one.found).filter((found) => found && (kind < 0 || found[0] === kind));
      if (!its.length) continue;
      const [worst, why] = its.reduce((a, b) => (b[0] < a[0] ? b : a));
      const title = worst === conforms ? one.theme : data.whys[why] || one.theme;
      groups[worst].has(title) ? groups[worst].get(title).push(one) : groups[worst].set(title, [one]);
    }
    return groups;
  };
  const row = (one) => {
    const name = one.id.replace(/^.*?::/, "").replace(/^test_/, "");
    const [title, parameters] = [name.split("[")[0].replaceAll("_", " "), name.slice(name.split("[")[0].length)];
    const link = make("a", { href: "#", title: one.id }, title, " ", make("small", { textContent: parameters }));
    link.dataset.case = one.id;
    const marks = make("span", { className: "marks" });
    one.found.forEach((found, run) => {
      const kind = found ? data.kinds[found[0]] : "not run";
      marks.append(make("i", { className: `k-${slug(kind)}`, title: `${data.runs[run]}: ${kind}` }));
    });
    return make("li", {}, marks, link);
  };
  const fill = (list, members) => {
    list.append(...members.slice(0, MOST).map(row));
    const rest = members.slice(MOST);
    if (rest.length) {
      const more = make("button", { type: "button", textContent: `${rest.length} more` });
      more.onclick = () => { more.parentNode.remove(); list.append(...rest.map(row)); mark(); };
      list.append(make("li", {}, more));
    }
  };
  const group = (title, members, open) => {
    const list = make("ul", {});
    const holds = (id) => members.some((one) => one.id === id);
    const made = make("details", { holds, open: open || holds(wanted.get("case")) }, make("summary", {}, title, " ", make("b", { textContent: members.length })), list);
    const once = () => { if (made.open && !list.childElementCount) { fill(list, members); mark(); } };
    made.ontoggle = once;
    if (made.open) fill(list, members);
    return made;
  };
  const list = () => {
    const groups = select();
    order = groups.flatMap((group) => [...group.values()].flat());
    const few = order.length <= MOST;
    $("list").replaceChildren(...groups.flatMap((its, kind) => its.size === 0 ? [] : [
      make("h2", { className: `k-${slug(data.kinds[kind])}` }, data.kinds[kind], " ",
        make("small", { textContent: [...its.values()].reduce((sum, members) => sum + members.length, 0) })),
      ...[...its].sort(([, a], [, b]) => b.length - a.length).map(([title, members]) => group(title, members, few || kind < 2)),
    ]));
    if (!order.length) $("list").append(make("p", { textContent: "no case is like that" }));
    form.found.value = `${order.length} of ${cases.length}`;
  };
  const mark = () => {
    for (const group of $("list").querySelectorAll("details:not([open])")) if (group.holds(wanted.get("case"))) group.open = true;
    for (const link of $("list").querySelectorAll("a[data-case]"))
      link.dataset.case === wanted.get("case") ? link.setAttribute("aria-current", "true") : link.removeAttribute("aria-current");
  };

  // -- one case

  const best = (one) => {
    const asked = data.runs.indexOf(wanted.get("on") ?? wanted.get("kernel"));
    if (asked >= 0 && one.found[asked]) return asked;
    const kind = data.kinds.indexOf(wanted.get("kind"));
    const fits = one.found.findIndex((found) => found && found[0] === kind);
    if (fits >= 0) return fits;
    const kinds = one.found.map((found) => (found ? found[0] : Infinity));
    return kinds.indexOf(Math.min(...kinds));
  };
  const open = async (id) => {
    const one = byId.get(id);
    document.body.classList.toggle("open", Boolean(id));
    $("case").hidden = !id;
    document.title = one ? `${one.id.replace(/^.*::/, "")} - finwait` : "finwait";
    if (!id) return;
    let shown;
    if (!one) shown = make("p", { textContent: `there is no case ${id} in this report` });
    else
      try {
        const pieces = await pack(Math.floor(one.number / data.perPack));
        shown = make("div", { innerHTML: pieces[one.number % data.perPack][best(one)] });
      } catch (error) {
        shown = make("p", { textContent: error.message });
      }
    if (wanted.get("case") !== id) return; // another was asked for meanwhile
    $("shown").replaceChildren(shown);
    $("case").scrollTop = 0;
  };
  const step = (by) => {
    if (!order.length) return;
    const here = order.findIndex((one) => one.id === wanted.get("case"));
    const next = here < 0 ? (by > 0 ? 0 : order.length - 1) : Math.min(order.length - 1, Math.max(0, here + by));
    go({ case: order[next].id, on: "" });
  };

  let listed = null;
  const look = () => {
    wanted = new URLSearchParams(location.hash.slice(1));
    for (const name of fields) if (form[name].value !== (wanted.get(name) ?? "")) form[name].value = wanted.get(name) ?? "";
    const key = fields.map((name) => wanted.get(name) ?? "").join("\n");
    if (key !== listed) { listed = key; list(); }
    mark();
    open(wanted.get("case"));
  };

  $("filter").addEventListener("input", () => go(Object.fromEntries([...fields.map((name) => [name, form[name].value])]), true));
  $("filter").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-case], a[data-run], #back");
    if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
    if (link.id === "back") go({ case: "", on: "" });
    else if (link.dataset.case) { go({ case: link.dataset.case, on: "" }); $("case").focus({ preventScroll: true }); }
    else go({ on: data.runs[Number(link.dataset.run)] });
  });
  $("next").onclick = () => step(1);
  $("previous").onclick = () => step(-1);
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.matches("input, select, textarea");
    if (event.key === "Escape") { typing ? event.target.blur() : go({ case: "", on: "" }); return; }
    if (typing) return;
    const does = { n: () => step(1), j: () => step(1), p: () => step(-1), k: () => step(-1), "/": () => form.q.focus() }[event.key];
    if (does) { event.preventDefault(); does(); }
  });
  addEventListener("hashchange", look);
  look();
})();
