/** Compactions: where the model was given a summary in place of what was said. The transcript stays as it is. Pure. */

/** The view after `context.compacted`; a fold stands before the turn that runs or is next. */
export function compacted(view, event) {
  const last = view.turns.at(-1);
  const after = last?.status === 'running' ? view.turns.at(-2) : last;
  const { seq, from_seq, to_seq, tokens_before, tokens_after, summary = null, at } = event;
  const fold = { id: `fold ${seq}`, after: after?.id ?? null, from_seq, to_seq, tokens_before, tokens_after, summary, at };
  return { ...view, folds: [...view.folds, fold] };
}
