/** What a fork is to be, asked before there is one: agent, model and message. */
import { h, setText } from '../shared/dom.js';
import { openDialog } from '../shared/dialog.js';
import { modelName } from '../shared/format.js';

/**
 * `turn`: {id, title}; `agent`: the session's. `readAgents()` → the agents of this server, [] where whoever is here may not read them.
 * `fork({agent, model, text})` makes it, with what was chosen, and rejects with the reason why not.
 */
export function askForFork({ turn, agent, readAgents, fork }) {
  const agents = h('select', { id: 'fork-agent' }, option('', agent ? `${agent}, as here` : 'As here'));
  const models = h('select', { id: 'fork-model' }, option('', 'The agent’s own choice'));
  const text = h('textarea', { id: 'fork-text', rows: 4, dir: 'auto', 'aria-describedby': 'fork-text-note' });
  const problem = h('p', { class: 'problem', role: 'alert' });
  const submit = h('button', { class: 'button primary', type: 'submit' }, 'Fork');
  const cancel = h('button', { class: 'button', type: 'button', onclick: () => dialog.close() }, 'Cancel');
  const form = h(
    'form',
    { class: 'fork-form' },
    h('p', { class: 'faint', dir: 'auto' }, `A new session with the past up to turn ${turn.id}: “${shortened(turn.title)}”. This one stays as it is.`),
    h('label', { for: agents.id }, 'Agent'),
    agents,
    h('label', { for: models.id }, 'Model'),
    models,
    h('label', { for: text.id }, 'Message'),
    text,
    h('p', { class: 'faint small', id: 'fork-text-note' }, 'Takes the place of the message of this turn, and is answered at once. Left empty: the turn stays, and the new session waits for a message.'),
    problem,
    h('div', { class: 'buttons' }, cancel, submit),
  );
  let known = [];
  const drawModels = () => {
    const chosen = known.find(({ name }) => name === (agents.value || agent));
    const roles = Object.entries(chosen?.models ?? {});
    models.replaceChildren(option('', 'The agent’s own choice'), ...roles.map(([role, use]) => option(role, `${role}: ${modelName(use)}`)));
  };
  agents.addEventListener('change', drawModels);
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    submit.disabled = true;
    setText(problem, '');
    const given = { agent: agents.value, model: models.value, text: text.value.trim() };
    try {
      await fork(Object.fromEntries(Object.entries(given).filter(([, value]) => value)));
    } catch (error) {
      setText(problem, `The session could not be forked. ${error.message}`);
      submit.disabled = false;
    }
  });
  const dialog = openDialog({ title: 'Fork the session', body: form });
  agents.focus();
  readAgents().then((found) => {
    known = found;
    agents.append(...found.filter(({ name }) => name !== agent).map(({ name }) => option(name, name)));
    drawModels();
  });
}

const option = (value, words) => h('option', { value }, words);
const shortened = (text) => (text.length > 80 ? `${text.slice(0, 80)}…` : text);
