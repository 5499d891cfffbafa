/**
 * Texts as Markdown. The gateway draws them (`/markdown`), block by block, and a page asks for many at a time.
 *
 * Rule 1: a text is seen at once: as it is written, until it is drawn, and where it cannot be.
 * Rule 2: of a growing text, only what stands from its last block on is asked for; blocks that stay keep their nodes.
 * Rule 3: this is the one place that takes HTML, and takes it from the gateway alone, which has cleaned it.
 */
import { withBar } from './code_blocks.js';
import { h } from './dom.js';

/** Milliseconds between two requests: text that streams is drawn ten times a second. */
const PAUSE = 90;
const LONGEST_PAUSE = 5000;
/** Milliseconds of a frame that are spent on showing what was drawn. */
const SLICE = 6;
/** What the gateway takes: characters of a text, and texts and characters of a request. */
const LONGEST = 100_000;
const MOST = { texts: 100, characters: 200_000 };
/** Texts that are drawn once are not asked for again, such as those of another session that is gone back to. */
const REMEMBERED = 300;

const waiting = new Set();
const known = new Map();
let asking = false;

/** Shows `text` in `container`; once it is drawn, `container` has an event `drawn`. `growing`: more of it is to come. */
export function renderMarkdown(container, text, { growing = false } = {}) {
  const source = text.replace(/\r\n?/g, '\n');
  const last = container.asked;
  if (last?.source === source && last.growing === growing) return;
  container.asked = { source, growing };
  const drawn = known.get(source);
  if (drawn) return show(container, source, drawn);
  if (!container.blocks || !source.startsWith(container.blocks.source)) showWritten(container, source);
  if (source.length > LONGEST || source === '') return showWritten(container, source);
  waiting.add(container);
  drawWaiting();
}

async function drawWaiting() {
  if (asking) return;
  asking = true;
  // What the page adds in one go is asked for together.
  await Promise.resolve();
  for (let failures = 0; waiting.size; ) {
    const asked = next();
    try {
      const drawn = await draw(asked.map(({ source, from }) => source.slice(from)));
      failures = 0;
      await takeAll(asked, drawn);
    } catch {
      failures += 1;
      for (const { container } of asked) {
        showWritten(container, container.asked.source);
        waiting.add(container);
      }
    }
    if (waiting.size || asked.some(({ growing }) => growing)) await pause(failures);
  }
  asking = false;
}

/** What is asked for next. */
function next() {
  const asked = [];
  let room = MOST.characters;
  for (const container of waiting) {
    const { source, growing } = container.asked;
    const one = { container, source, growing, from: growing ? settled(container, source) : 0 };
    room -= source.length - one.from;
    if (asked.length === MOST.texts || (room < 0 && asked.length)) break;
    waiting.delete(container);
    asked.push(one);
  }
  return asked;
}

/** How much of `source` has been drawn and stays: all before the last block. */
function settled({ blocks }, source) {
  return blocks?.list.length && source.startsWith(blocks.source) ? blocks.list.at(-1).at : 0;
}

async function draw(texts) {
  const headers = { 'Content-Type': 'application/json' };
  const response = await fetch('/markdown', { method: 'POST', headers, body: JSON.stringify({ texts }) });
  if (!response.ok) throw new Error(`The server answered ${response.status}.`);
  return (await response.json()).drawn;
}

/** In slices, for a page of answers at once would hold up whoever scrolls. */
async function takeAll(asked, drawn) {
  let begun = performance.now();
  for (const [index, one] of asked.entries()) {
    take(one, drawn[index]);
    if (performance.now() - begun < SLICE) continue;
    await new Promise((resolve) => (document.hidden ? setTimeout(resolve) : requestAnimationFrame(resolve)));
    begun = performance.now();
  }
}

function take({ container, source, growing, from }, drawn) {
  const places = lineStarts(source.slice(from));
  const list = drawn.map(({ line, html }) => ({ at: from + places[line], html }));
  const whole = from ? [...container.blocks.list.slice(0, -1), ...list] : list;
  if (!growing) remember(source, whole);
  // Meanwhile, another text may have taken the place of this one.
  if (container.asked.source.startsWith(source)) show(container, source, whole);
}

function remember(source, list) {
  known.set(
    source,
    list.map(({ at, html }) => ({ at, html })),
  );
  if (known.size > REMEMBERED) known.delete(known.keys().next().value);
}

function show(container, source, list) {
  const old = container.blocks?.list ?? [];
  let same = 0;
  while (same < old.length && same < list.length && old[same].html === list[same].html) same += 1;
  for (const { nodes } of old.slice(same)) nodes.forEach((node) => node.remove());
  if (!container.blocks) container.replaceChildren();
  const fresh = list.slice(same).map(({ at, html }) => ({ at, html, nodes: nodesOf(html) }));
  container.append(...fresh.flatMap(({ nodes }) => nodes));
  const kept = old.slice(0, same).map((block, index) => ({ ...block, at: list[index].at }));
  container.blocks = { source, list: [...kept, ...fresh] };
  container.dispatchEvent(new CustomEvent('drawn', { bubbles: true }));
}

function showWritten(container, source) {
  container.blocks = null;
  container.replaceChildren(...(source ? [h('p', { class: 'as-written', dir: 'auto' }, source)] : []));
}

function nodesOf(html) {
  const template = document.createElement('template');
  template.innerHTML = html;
  for (const pre of template.content.querySelectorAll('pre')) pre.replaceWith(withBar(pre.cloneNode(true)));
  for (const link of template.content.querySelectorAll('a[href]')) lead(link);
  return [...template.content.children];
}

/** Links lead to a new tab, and those to footnotes to a place of this page, whose address names the session. */
function lead(link) {
  const target = link.getAttribute('href');
  if (!target.startsWith('#')) return void link.setAttribute('target', '_blank');
  link.addEventListener('click', (event) => {
    event.preventDefault();
    document.getElementById(target.slice(1))?.scrollIntoView({ block: 'nearest' });
  });
}

function lineStarts(text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return starts;
}

const pause = (failures) => new Promise((resolve) => setTimeout(resolve, Math.min(PAUSE * 2 ** failures, LONGEST_PAUSE)));
