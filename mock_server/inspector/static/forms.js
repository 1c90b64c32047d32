// Rows for lists and objects. They write the JSON text of their field, and that text is what is sent. Without this script the
// text itself is the form.
"use strict";
{
  const words = document.querySelector(".fields").dataset;
  const said = (text, values) => text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
  let made = 0;

  function element(tag, attributes, ...children) {
    const one = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) if (value !== undefined) one.setAttribute(name, value);
    one.append(...children);
    return one;
  }

  // An editor has the node that is shown, read() (undefined for nothing), and the control that gets the focus.
  function labelled(control, name, isRequired) {
    const id = control.id = `row-${++made}`;
    const label = element("label", { for: id }, name);
    if (isRequired) label.append(" ", element("span", { class: "quiet" }, words.required));
    return element("div", { class: "cell" }, label, control);
  }

  function choice(values, shown) {
    const select = element("select", {}, element("option", { value: "" }));
    for (const one of values) select.append(element("option", {}, typeof one === "string" ? one : JSON.stringify(one)));
    if (shown !== undefined) select.value = typeof shown === "string" ? shown : JSON.stringify(shown);
    return select;
  }

  function typed(text, kind) {
    if (text === "") return undefined;
    if (kind === "text") return text;
    try { return JSON.parse(text); } catch { return text; }
  }

  function single(shape, value, name, isRequired) {
    const values = shape.kind === "boolean" ? [true, false] : shape.choices;
    const text = value === undefined ? "" : typeof value === "string" ? value : JSON.stringify(value);
    const control = values ? choice(values, value) : element("input", { autocomplete: "off", spellcheck: "false" });
    if (!values) control.value = text;
    const chosen = () => values.find((one) => (typeof one === "string" ? one : JSON.stringify(one)) === control.value);
    return { node: labelled(control, name, isRequired), focus: control, read: () => (values ? chosen() : typed(control.value, shape.kind)) };
  }

  function object(shape, value, name, isRequired, isRow) {
    const given = value ?? {}, known = new Set(shape.fields.map((field) => field.name));
    const others = Object.fromEntries(Object.entries(given).filter(([key]) => !known.has(key)));
    const parts = shape.fields.map((field) => [field.name, editor(field.shape, given[field.name], field.name, field.required)]);
    const legend = element("legend", isRow ? { class: "unseen" } : {}, name);
    if (isRequired) legend.append(" ", element("span", { class: "quiet" }, words.required));
    const read = () => {
      const found = { ...others };
      for (const [key, part] of parts) { const one = part.read(); if (one !== undefined) found[key] = one; }
      return Object.keys(found).length || value !== undefined || isRow ? found : undefined;
    };
    return { node: element("fieldset", { class: "object" }, legend, ...parts.map(([, part]) => part.node)), read, focus: parts[0]?.[1].focus };
  }

  function list(shape, value, name, isRequired) {
    const rows = element("ol", { class: "rows" });
    const add = element("button", { type: "button", class: "plain", "aria-label": said(words.addTo, { name }) }, words.add);
    const legend = element("legend", {}, name);
    if (isRequired) legend.append(" ", element("span", { class: "quiet" }, words.required));
    const node = element("fieldset", { class: "list-of" }, legend, rows, add);
    let parts = [];

    function number() {
      parts.forEach((part, index) => {
        const values = { number: index + 1, name };
        part.remove.setAttribute("aria-label", said(words.removeItem, values));
        const title = part.node.querySelector(":scope > label, :scope > legend");
        title.textContent = said(words.item, values);
      });
    }
    function append(item) {
      const part = editor(shape.items, item, name, false, true);
      part.remove = element("button", { type: "button", class: "plain" }, words.remove);
      part.row = element("li", {}, part.node, part.remove);
      part.remove.addEventListener("click", () => {
        const at = parts.indexOf(part);
        parts.splice(at, 1);
        part.row.remove();
        number();
        changed(node);
        (parts[at] ?? parts[at - 1] ?? { remove: add }).remove.focus();
      });
      if (part.node.matches(".cell")) part.node.querySelector("label").className = "unseen";
      parts.push(part);
      rows.append(part.row);
      number();
      return part;
    }
    add.addEventListener("click", () => { const part = append(undefined); changed(node); (part.focus ?? part.remove).focus(); });
    for (const item of value ?? []) append(item);
    const read = () => (parts.length ? parts.map((part) => part.read()).filter((one) => one !== undefined) : undefined);
    return { node, read, focus: add };
  }

  function editor(shape, value, name, isRequired, isRow = false) {
    if (shape.kind === "object") return object(shape, value, name, isRequired, isRow);
    if (shape.kind === "list") return list(shape, value, name, isRequired);
    return single(shape, value, name, isRequired);
  }

  function fits(shape, value) {
    if (value === undefined || shape.kind === "any") return true;
    if (shape.kind === "list") return Array.isArray(value) && value.every((one) => fits(shape.items, one));
    if (shape.kind === "object") {
      const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
      return isObject && shape.fields.every((field) => fits(field.shape, value[field.name]));
    }
    if (shape.kind === "choice") return shape.choices.includes(value);
    return typeof value === { text: "string", boolean: "boolean" }[shape.kind] || (["integer", "number"].includes(shape.kind) && typeof value === "number");
  }

  const changed = (node) => node.dispatchEvent(new Event("change", { bubbles: true }));

  function enhance(field) {
    const text = field.querySelector("textarea"), label = field.querySelector("label"), name = field.dataset.name;
    const shape = JSON.parse(field.dataset.shape), isRequired = label.querySelector(".quiet") !== null;
    const area = element("div", { class: "nested" });
    const note = element("p", { class: "hint", role: "status" });
    const toggle = element("button", { type: "button", class: "plain" });
    let rows = null;

    function show(asRows) {
      text.hidden = label.hidden = asRows;
      area.hidden = !asRows;
      toggle.textContent = asRows ? words.asJson : words.asRows;
      toggle.setAttribute("aria-label", `${toggle.textContent}: ${name}`);
    }
    function build() {
      let value;
      try { value = text.value.trim() ? JSON.parse(text.value) : undefined; } catch { value = null; }
      const isRows = fits(shape, value);
      if (isRows) {
        rows = editor(shape, value, name, isRequired);
        area.replaceChildren(rows.node);
      }
      note.textContent = isRows ? "" : words.noRows;
      show(isRows);
      return isRows;
    }
    function write() {
      const value = rows.read();
      text.value = value === undefined ? "" : JSON.stringify(value);
    }
    area.addEventListener("input", write);
    area.addEventListener("change", write);
    toggle.addEventListener("click", () => {
      if (area.hidden) { if (!build()) text.focus(); } else { show(false); text.focus(); }
    });
    text.after(area, toggle, note);
    build();
    // A browser that goes back fills in the texts of before.
    let shown = text.value;
    window.addEventListener("pageshow", () => { if (text.value !== shown) build(); shown = text.value; });
  }

  for (const field of document.querySelectorAll(".field[data-shape]")) enhance(field);
}
