/** Two texts compared line by line: the longest common subsequence. Pure. */

/** Pairs of lines beyond which the middle is told as replaced as a whole. */
const MOST = 4_000_000;

/** → [{kind: 'same'|'added'|'removed', text}] in order; what was removed stands before what was added. */
export function linesOf(before, now) {
  const [old, fresh] = [before.split('\n'), now.split('\n')];
  let start = 0;
  while (start < old.length && start < fresh.length && old[start] === fresh[start]) start += 1;
  let end = 0;
  const most = Math.min(old.length, fresh.length) - start;
  while (end < most && old.at(-1 - end) === fresh.at(-1 - end)) end += 1;
  const middle = between(old.slice(start, old.length - end), fresh.slice(start, fresh.length - end));
  const as = (kind) => (text) => ({ kind, text });
  return [...old.slice(0, start).map(as('same')), ...middle, ...old.slice(old.length - end).map(as('same'))];
}

function between(old, fresh) {
  if (old.length * fresh.length > MOST)
    return [...old.map((text) => ({ kind: 'removed', text })), ...fresh.map((text) => ({ kind: 'added', text }))];
  const width = fresh.length + 1;
  // The length of the longest common subsequence of what follows each pair of places.
  const common = new Uint32Array((old.length + 1) * width);
  for (let i = old.length - 1; i >= 0; i -= 1)
    for (let j = fresh.length - 1; j >= 0; j -= 1)
      common[i * width + j] =
        old[i] === fresh[j]
          ? common[(i + 1) * width + j + 1] + 1
          : Math.max(common[(i + 1) * width + j], common[i * width + j + 1]);
  const lines = [];
  let [i, j] = [0, 0];
  while (i < old.length || j < fresh.length) {
    if (i < old.length && j < fresh.length && old[i] === fresh[j]) {
      lines.push({ kind: 'same', text: old[i] });
      [i, j] = [i + 1, j + 1];
    } else if (i < old.length && (j === fresh.length || common[(i + 1) * width + j] >= common[i * width + j + 1])) {
      lines.push({ kind: 'removed', text: old[i] });
      i += 1;
    } else {
      lines.push({ kind: 'added', text: fresh[j] });
      j += 1;
    }
  }
  return lines;
}
