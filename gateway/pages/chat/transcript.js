/** The conversation in the middle of the chat page: a view of `client.js` and the unsent messages → nodes. */
import { exchanges } from '../view/branches.js';
import { h, keyed, setText } from '../shared/dom.js';
import { drawQuestions, tickExpiry } from '../shared/questions.js';
import { askedBefore, askedIn } from '../view/handlers.js';
import { drawFold, makeFold } from './fold_marker.js';
import { InSight } from './in_sight.js';
import { drawPending } from './pending.js';
import { works } from './stopping.js';
import { tickTroubles } from './trouble.js';
import { drawTurn, isDrawn, makeTurn, workingSince } from './turn.js';

/**
 * `pending`: messages of this page that the session has not shown yet, as `pending.js` draws them.
 * `actions`: {retry(messageId), discard(messageId), answer, readBelow(way)} and those of `said.js` and `turn_actions.js`; `answer` as in
 * `questions.js`, `way` as in `sub_views.js`. `may(scope)`: whether to offer what needs it. `survivals`: what this
 * page has seen turns outlive; `ratings`: what it gave them.
 */
export function drawTranscript(container, view, pending, actions, may, { survivals, ratings }) {
  const { places, session } = view;
  const rests = !works(view) && ['idle', 'waiting'].includes(view.status) && may('session:write');
  const around = { places, told: session.sub_questions, rests, forks: may('session:fork'), actions };
  const rates = view.closed === null && may('session:write');
  const shown = exchanges(view.turns);
  const inSight = (container.inSight ??= new InSight(container.parentElement));
  const items = [
    ...folds(view, null),
    ...shown.flatMap(({ turn, turns }, index) => [
      {
        ...{ kind: 'turn', id: turns[0].id ?? 'next', turn, late: index >= shown.length - AT_ONCE },
        around: { ...around, asked: asked(view, turns), score: rates ? ratings.of(view, turn.id) : null, last: index === shown.length - 1, seen: seenOf(survivals, turns) },
      },
      ...turns.filter(({ id }) => id !== null).flatMap(({ id }) => folds(view, id)),
    ]),
    ...askedBefore(view.asked, view.turns).map((question) => ({ kind: 'asked', id: question.question_id, question })),
    ...pending.map((entry) => ({ kind: 'pending', id: entry.messageId, entry })),
  ];
  keyed(container, items, {
    key: ({ kind, id }) => `${kind} ${id}`,
    make: ({ kind }) => MAKE[kind](),
    update: (node, item) => UPDATE[item.kind](node, item, actions, inSight),
  });
}

const NONE = [];
/** The last turns of a conversation, which are in sight when it is opened. */
const AT_ONCE = 5;
const MAKE = { turn: makeTurn, fold: makeFold, pending: () => h('div', { class: 'pending' }), asked: () => h('div', { class: 'questions' }) };
const UPDATE = {
  turn: (node, { turn, around, late }, actions, inSight) => {
    // It is found by it before it is drawn.
    node.dataset.turn = turn.id;
    if (isDrawn(node, turn, around)) return inSight.forget(node);
    inSight.draw(node, () => drawTurn(node, turn, around), late || turn.status === 'running' || around.asked !== NONE);
  },
  fold: (node, { fold }) => drawFold(node, fold),
  pending: (node, { entry }, actions) => drawPending(node, entry, actions),
  asked: (node, { question }, { answer }) => drawQuestions(node, { questions: [question] }, answer),
};

const seenOf = (survivals, turns) => turns.map(({ id }) => survivals.of(id)).find(Boolean) ?? null;

/** What the handlers of these turns ask. */
const asked = (view, turns) => (view.asked.length ? askedIn(view.asked, turns) : NONE);

const folds = (view, id) => view.folds.filter(({ after }) => after === id).map((fold) => ({ kind: 'fold', id: fold.id, fold }));

/** Lets the clocks of running turns go on; call it about once a second. */
export function tick(container) {
  for (const turn of container.getElementsByClassName('running')) {
    const numbers = turn.querySelector(':scope > .turn-footer > .turn-numbers');
    setText(numbers, workingSince(numbers.dataset.since));
  }
  tickTroubles(container);
  tickExpiry(container);
}
