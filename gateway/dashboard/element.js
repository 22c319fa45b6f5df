// Elements without a framework. Text is always text: nothing of the server's is read as HTML.

const SVG = "http://www.w3.org/2000/svg";

function fill(element, properties, children) {
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** element("p", { class: "faint", onclick: act }, "text", other) */
export function element(tag, properties, ...children) {
  return fill(document.createElement(tag), properties, children);
}

export function drawing(tag, properties, ...children) {
  return fill(document.createElementNS(SVG, tag), properties, children);
}

export function table(titles, rows, nothing) {
  if (rows.length === 0) return element("p", { class: "empty" }, nothing);
  return element("table", null,
    element("thead", null, element("tr", null, titles.map((title) => element("th", { scope: "col" }, title)))),
    element("tbody", null, rows));
}

/** Name and value pairs; pairs without a value are left out. */
export function facts(pairs) {
  return element("dl", { class: "facts" }, pairs
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => [element("dt", null, name), element("dd", null, value)]));
}
