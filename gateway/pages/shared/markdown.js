/**
 * A small Markdown renderer for answers: paragraphs, headings, lists, quotes, tables, code, bold, italics, links.
 *
 * Rule 1: it builds nodes, never HTML; markup in a text stays text. Links go to http and https only.
 * Rule 2: no text can make it slow or deeply nested: the span of each pattern is bounded, and so is nesting.
 * Rule 3: a growing answer is not redrawn as a whole: blocks with unchanged source keep their nodes.
 */
import { h } from './dom.js';

const ITEM = /^(\s*)([-*+]|\d{1,9}[.)])\s+(.*)$/;
const DEEPEST = 6;
const FENCE = /^\s{0,3}(```+|~~~+)\s*([\w+#.-]*)/;

/** Shows `text` in `container`. */
export function renderMarkdown(container, text) {
  const sources = splitBlocks(text);
  const old = (container.blockSources ??= []);
  sources.forEach((source, index) => {
    if (old[index] === source) return;
    const node = drawBlock(source);
    if (container.children[index]) container.children[index].replaceWith(node);
    else container.append(node);
  });
  while (container.children.length > sources.length) container.lastChild.remove();
  container.blockSources = sources;
}

/** The sources of a text's blocks; an unclosed fence is a block up to the end. */
export function splitBlocks(text) {
  const blocks = [];
  let lines = [];
  let fence = null;
  const flush = () => {
    if (lines.length) blocks.push(lines.join('\n'));
    lines = [];
  };
  for (const line of text.split(/\r\n|\n/)) {
    const mark = FENCE.exec(line)?.[1];
    if (fence) {
      lines.push(line);
      if (mark?.startsWith(fence) && line.trim() === mark) {
        fence = null;
        flush();
      }
    } else if (mark) {
      flush();
      fence = mark;
      lines.push(line);
    } else if (line.trim() === '') {
      // A list continues after an empty line; the next line decides.
      if (lines.length && ITEM.test(lines[0])) lines.push(line);
      else flush();
    } else {
      const heading = /^#{1,6}\s/.test(line);
      if (heading || (lines.length && beginsAnew(lines, line))) flush();
      lines.push(line);
      if (heading) flush();
    }
  }
  flush();
  return blocks.map((block) => block.replace(/\n+$/, ''));
}

/** Whether `line` starts a new block after `lines`, without an empty line between (or, in a list, with only one). */
function beginsAnew(lines, line) {
  const first = ITEM.exec(lines[0]);
  const item = ITEM.exec(line);
  if (!first || !item) return first ? lines.at(-1).trim() === '' && !/^\s{2}/.test(line) : item !== null;
  return item[1].length <= first[1].length && /\d/.test(item[2]) !== /\d/.test(first[2]);
}

function drawBlock(source, depth = 0) {
  const lines = source.split('\n');
  if (depth > DEEPEST) return h('p', {}, source);
  const inner = (text) => splitBlocks(text).map((block) => drawBlock(block, depth + 1));
  const fence = FENCE.exec(source);
  if (fence) {
    const closed = lines.length > 1 && lines.at(-1).trim() === fence[1];
    const code = lines.slice(1, closed ? -1 : undefined).join('\n');
    return h('pre', { tabindex: 0, 'aria-label': fence[2] ? `Code, ${fence[2]}` : 'Code' }, h('code', {}, code));
  }
  const heading = /^(#{1,6})\s+(.*?)\s*#*$/.exec(source);
  if (heading) return h(`h${Math.min(6, heading[1].length + 2)}`, {}, inline(heading[2]));
  if (/^\s*([-*_])(\s*\1){2,}\s*$/.test(source)) return h('hr');
  if (ITEM.test(lines[0])) return drawList(lines, inner);
  if (lines.every((line) => /^\s*>/.test(line))) {
    return h('blockquote', {}, inner(lines.map((line) => line.replace(/^\s*> ?/, '')).join('\n')));
  }
  if (lines.length > 1 && lines[0].includes('|') && /^\s*\|?\s*:?-+:?\s*(\|\s*:?-+:?\s*)*\|?\s*$/.test(lines[1]))
    return drawTable(lines);
  return h(
    'p',
    {},
    lines.flatMap((line, index) => (index ? [h('br'), ...inline(line)] : inline(line))),
  );
}

function drawList(lines, drawInner) {
  const [, indent, mark] = ITEM.exec(lines[0]);
  const ordered = /\d/.test(mark);
  const list = h(ordered ? 'ol' : 'ul', { start: ordered && parseInt(mark, 10) !== 1 ? parseInt(mark, 10) : null });
  let item = [];
  const flush = () => {
    if (!item.length) return;
    const [first, ...rest] = item;
    const inner = rest.map((line) => line.replace(/^\s{1,4}/, '')).join('\n');
    list.append(h('li', {}, inline(first), inner.trim() ? drawInner(inner) : null));
  };
  for (const line of lines) {
    const match = ITEM.exec(line);
    if (match && match[1].length <= indent.length + 1) {
      flush();
      item = [match[3]];
    } else item.push(line);
  }
  flush();
  return list;
}

function drawTable(lines) {
  const cells = (line) =>
    line
      .trim()
      .replace(/^\||\|$/g, '')
      .split('|')
      .map((cell) => inline(cell.trim()));
  const head = h(
    'tr',
    {},
    cells(lines[0]).map((cell) => h('th', { scope: 'col' }, cell)),
  );
  const rows = lines.slice(2).map((line) =>
    h(
      'tr',
      {},
      cells(line).map((cell) => h('td', {}, cell)),
    ),
  );
  return h('div', { class: 'table', tabindex: 0 }, h('table', {}, h('thead', {}, head), h('tbody', {}, rows)));
}

const INLINE =
  /(`+)([^]{0,2000}?[^`])\1(?!`)|\*\*(?=\S)([^]{0,2000}?\S)\*\*|(?<![\w*])\*(?=[^\s*])([^*]{0,1000}[^\s*])\*(?![\w*])|\[([^\][]{1,500})\]\(([^\s)]{1,2000})\)|(https?:\/\/[^\s<>"'`)\]]*[^\s<>"'`)\].,;:!?])/;

/** The nodes of a line. */
export function inline(text) {
  const nodes = [];
  let rest = text;
  for (let match; (match = INLINE.exec(rest)); rest = rest.slice(match.index + match[0].length)) {
    if (match.index) nodes.push(rest.slice(0, match.index));
    const [whole, , code, bold, italic, label, target, bare] = match;
    if (code !== undefined) nodes.push(h('code', {}, code));
    else if (bold !== undefined) nodes.push(h('strong', {}, inline(bold)));
    else if (italic !== undefined) nodes.push(h('em', {}, inline(italic)));
    else if (bare !== undefined) nodes.push(link(bare, [bare]) ?? whole);
    else nodes.push(link(target, inline(label)) ?? whole);
  }
  if (rest) nodes.push(rest);
  return nodes;
}

const ADDRESS = /(https?:\/\/[^\s<>"]*[^\s<>"'`)\].,;:!?])/i;

/** The nodes of a plain text with its addresses as links; no other markup is interpreted. */
export function linked(text) {
  return (text ?? '').split(ADDRESS).map((one, index) => (index % 2 && link(one, [one])) || one);
}

/** A link that opens in a new tab, or null if the address is not http(s). */
export function link(target, children) {
  if (!/^https?:\/\//i.test(target)) return null;
  return h('a', { href: target, target: '_blank', rel: 'noopener noreferrer' }, children);
}
