/** Compactions in words. Pure. */

const TITLES = {
  summarized: 'Earlier conversation summarised',
  trimmed: 'Long results of tools shortened',
  dropped: 'Earlier conversation left out',
};

const NOTES = {
  summarized: 'The model is given this in place of what was said earlier. Nothing is lost: all of it is still above.',
  trimmed: 'The model is given the beginning and the end of long results. Nothing is lost: they are still whole above.',
  dropped: 'No summary could be made, so the model is not given what was said earlier. It is still above.',
};

/** {title, size, note} of a fold (`view/folds.js`), each for people; `size` empty where it is not known. */
export function foldWords({ how = 'summarized', tokens_before: before, tokens_after: after, error }) {
  const size = [before, after].every(Number.isFinite) ? `${count(before)} → ${count(after)} tokens` : '';
  return { title: TITLES[how] ?? TITLES.summarized, size, note: [NOTES[how] ?? NOTES.summarized, error?.message].filter(Boolean).join(' ') };
}

const count = (number) => number.toLocaleString('en');
