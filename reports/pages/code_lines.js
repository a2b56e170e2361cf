// A click on a line's number lists the scenarios that reach it. SCENARIOS, LINES and SETS come before this.
const box = document.createElement("dialog");
box.style.cssText = "max-width: 90vw; max-height: 80vh; overflow: auto; font-family: monospace; white-space: pre-wrap";
box.addEventListener("click", () => box.close());
document.body.append(box);

function members(text) {
  const bytes = Uint8Array.from(atob(text), one => one.charCodeAt(0));
  return SCENARIOS.filter((_, number) => bytes[number >> 3] >> (number & 7) & 1);
}

document.querySelectorAll("a[id^=L]").forEach(link => {
  const number = Number(link.id.slice(1));
  if (!(number in LINES)) return;
  link.style.textDecoration = "underline";
  link.addEventListener("click", event => {
    event.preventDefault();
    const names = members(SETS[LINES[number]]);
    box.textContent = [`line ${number}: ${names.length} of ${SCENARIOS.length} scenarios reach it`, ...names].join("\n");
    box.showModal();
  });
});
