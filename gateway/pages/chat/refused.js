/** What is wrong in the files of agents, below the start of a new chat, until it is mended. */
import { h } from '../shared/dom.js';

/** `problems`: as `GET /v1/agents` gives them. */
export function drawRefused(container, problems) {
  if (container.problems === problems) return;
  container.problems = problems;
  container.hidden = problems.length === 0;
  const files = new Map(problems.map(({ file }) => [file, []]));
  for (const problem of problems) files.get(problem.file).push(problem);
  const several = files.size > 1;
  const title = h('h2', {}, several ? `${files.size} files of agents are refused` : 'A file of an agent is refused');
  const hint = h('p', {}, 'Once it is mended, the agent is here within seconds.');
  container.replaceChildren(title, ...[...files].map(([, of]) => fileNode(of)), hint);
}

function fileNode(problems) {
  const [{ file, serving }] = problems;
  return h(
    'article',
    {},
    h('h3', {}, file),
    serving && h('p', {}, `${serving} answers as it was before.`),
    h('ul', {}, problems.map(row)),
  );
}

function row({ line, column, field, message }) {
  const place = h('span', { class: 'place' }, `${line}:${column}`);
  return h('li', {}, place, ' ', field && h('code', {}, field), field && ' ', message);
}
