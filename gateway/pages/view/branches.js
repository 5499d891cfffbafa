/**
 * Branches: what is said once a session was rewound, beside what was said before. Pure.
 *
 * Rule: turns of a branch that was left are kept as they were, for when it is gone back to.
 */

/** The view after `transcript.rewound`; `lost` if what the branch begins with is not known here, until a snapshot tells. */
export function rewound(view, { message_id: id, branch, left }) {
  const branches = { ...view.branches, [left]: view.turns };
  const turns = branches[branch] ?? before(view.turns, id);
  return { ...view, branch, branches, places: [], turns: turns ?? view.turns, lost: turns === null };
}

/**
 * The view with the places where branches part, as `GET …/branches` tells them: [{message_id, siblings, current, again}], `siblings` branches,
 * `current` the index of the one that is shown, `again` if all begin with the same message, so that only its answers differ.
 */
export function withPlaces(view, { current, places }) {
  if (current !== (view.branch ?? current)) return view;
  const others = (place) => place.siblings.filter((one) => one !== current && view.branches[one]).map((one) => view.branches[one]);
  const again = (place) => others(place).length > 0 && others(place).every((turns) => has(turns, place.message_id));
  return { ...view, places: places.map((place) => ({ ...place, again: again(place) })) };
}

/** The place where branches part at one of these messages, or null. `places`: of the view. */
export function placeOf(places, messages) {
  const ids = new Set(messages.map((message) => message.id));
  return places.find(({ message_id: id }) => ids.has(id)) ?? null;
}

const has = (turns, id) => turns.some(({ messages }) => messages.some((message) => message.id === id));

/**
 * Turns as people see them: one that runs another on, without a message of its own, is one with it.
 * → [{turn, turns}], `turns` those that `turn` is made of; what did not change keeps its object.
 */
export function exchanges(turns) {
  const groups = [];
  for (const turn of turns) {
    if (turn.continues && groups.at(-1)?.at(-1).id === turn.continues) groups.at(-1).push(turn);
    else groups.push([turn]);
  }
  return groups.map((group) => ({ turn: group.length > 1 ? joined(group) : group[0], turns: group }));
}

/**
 * The turns of all branches in the order in which they began, each as it was when it had most: [{turn, left}], `left` if the branch that goes on lacks it. */
export function everyTurn({ turns, branches }) {
  const all = new Map();
  for (const turn of [...Object.values(branches).flat(), ...turns]) {
    const before = all.get(turn.id);
    if (!before || turn.messages.length >= before.messages.length) all.set(turn.id, turn);
  }
  const here = new Set(turns.map(({ id }) => id));
  const began = ({ turn }) => turn.started_at ?? turn.messages[0]?.at ?? '';
  return [...all.values()].map((turn) => ({ turn, left: !here.has(turn.id) })).sort((a, b) => began(a).localeCompare(began(b)));
}

/** The turns before the message, with the part of its own turn that comes before it; null: the message is not known here. */
function before(turns, id) {
  const at = turns.findLastIndex((turn) => turn.messages.some((message) => message.id === id));
  if (at < 0) return null;
  const cut = turns[at].messages.findIndex((message) => message.id === id);
  const start = turns[at].messages.slice(0, cut);
  return start.length ? [...turns.slice(0, at), { ...turns[at], messages: start }] : turns.slice(0, at);
}

const known = new WeakMap();

function joined(group) {
  const last = group.at(-1);
  const made = known.get(last);
  if (made?.group.every((turn, at) => turn === group[at])) return made.turn;
  const [first] = group;
  const turn = {
    ...last,
    first_id: first.id,
    started_at: first.started_at,
    messages: group.flatMap((one) => one.messages),
    tools: Object.assign({}, ...group.map((one) => one.tools)),
    questions: group.flatMap((one) => one.questions ?? []),
  };
  known.set(last, { group, turn });
  return turn;
}
