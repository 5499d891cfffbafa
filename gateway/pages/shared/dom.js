/**
 * Building and updating the page.
 *
 * Rule: text reaches the page as text nodes only; nothing but `markdown.js` parses a string as HTML.
 */

/** An element. `props`: `class`, `data` (an object), `on…` handlers; any other is an attribute, omitted if null or false. */
export function h(tag, props = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(props)) {
    if (value === null || value === undefined || value === false) continue;
    if (name === 'class') node.className = value;
    else if (name === 'data') Object.assign(node.dataset, value);
    else if (name.startsWith('on')) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? '' : value);
  }
  node.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return node;
}

/** Sets text only if it changed, so that selections and screen readers are not disturbed. */
export function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

export function byId(id) {
  return document.getElementById(id);
}

/**
 * Makes the children of `parent` match `items`, keeping the nodes of items that stay.
 * `make(item)` → node, once per key; `update(node, item)` whenever the item is a different object than before.
 */
export function keyed(parent, items, { key, make, update = () => {} }) {
  const known = (parent.keyedNodes ??= new Map());
  const wanted = new Set(items.map(key));
  for (const [id, entry] of known) {
    if (wanted.has(id)) continue;
    entry.node.remove();
    known.delete(id);
  }
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    let entry = known.get(id);
    if (!entry) known.set(id, (entry = { node: make(item), item: undefined }));
    if (place === entry.node) place = place.nextElementSibling;
    else parent.insertBefore(entry.node, place);
    if (entry.item === item) continue;
    entry.item = item;
    update(entry.node, item);
  }
}

const ICONS = {
  check: 'M5 12.5l4.5 4.5L19 7.5',
  cross: 'M6 6l12 12M18 6L6 18',
  clock: 'M12 7v5l3 2M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18',
  menu: 'M4 7h16M4 12h16M4 17h16',
  more: 'M5 12h.01M12 12h.01M19 12h.01',
  search: 'M10.5 4a6.5 6.5 0 1 0 0 13 6.5 6.5 0 0 0 0-13M15.5 15.5L20 20',
  send: 'M12 19V5M6 11l6-6 6 6',
  stop: 'M7 7h10v10H7z',
  chevron: 'M9 6l6 6-6 6',
  alert: 'M12 8v5M12 16.5v.5M12 3l9.5 17h-19z',
  copy: 'M9 9h10v11H9zM5 15V4h10',
  edit: 'M4 20h4L19 9l-4-4L4 16zM13.5 6.5l4 4',
  again: 'M20 12a8 8 0 1 1-2.4-5.7M20 3v4h-4',
  back: 'M9 14L4 9l5-5M4 9h9a6 6 0 0 1 0 12h-2',
  fork: 'M6 4v16M6 14c8 0 10-3 10-9M12.5 8L16 4.5l3.5 3.5',
  'thumb-up': 'M7 11v9H4v-9zM7 11l4-7.5c1.6 0 2.5 1 2.3 2.6L13 9.5h5a2 2 0 0 1 2 2.4l-1.2 6.5a2 2 0 0 1-2 1.6H7',
  'thumb-down': 'M7 13V4H4v9zM7 13l4 7.5c1.6 0 2.5-1 2.3-2.6L13 14.5h5a2 2 0 0 0 2-2.4l-1.2-6.5a2 2 0 0 0-2-1.6H7',
  fold: 'M4 7h16M7 12h10M10 17h4',
  file: 'M7 3h7l4 4v14H7zM14 3v4h4',
  clip: 'M20 11.5l-8 8a5 5 0 0 1-7-7l8.5-8.5a3.4 3.4 0 0 1 4.8 4.8l-8.4 8.4a1.7 1.7 0 0 1-2.4-2.4l7.5-7.5',
};

/** An icon from the table above, hidden from screen readers. */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  const line = document.createElementNS('http://www.w3.org/2000/svg', 'path');
  svg.setAttribute('viewBox', '0 0 24 24');
  svg.setAttribute('class', `icon icon-${name}`);
  svg.setAttribute('aria-hidden', 'true');
  line.setAttribute('d', ICONS[name]);
  svg.append(line);
  return svg;
}

/** Calls `draw` at most once per frame, and also in a hidden tab, which gets no frames. */
export function scheduler(draw) {
  let asked = false;
  const run = () => {
    asked = false;
    draw();
  };
  return () => {
    if (asked) return;
    asked = true;
    if (document.hidden) setTimeout(run, 100);
    else requestAnimationFrame(run);
  };
}
