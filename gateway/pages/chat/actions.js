/** What people do with messages of a session: send anew, answer again, run on, go to another branch, fork, edit and withdraw. */
import { newId } from '../../client.js';
import { notice } from './notice.js';
import { uploaded, withFiles } from './resent.js';

/**
 * `page`: the state of `chat.js`; `outbox`; `open(sessionId)` shows a session.
 * All resolve to whether it was done; those that are not called from a form say why not, by themselves.
 */
export function messageActions({ client, page, outbox, open }) {
  const told = (what, act) => async (...given) => {
    try {
      return (await act(...given)) ?? true;
    } catch (error) {
      notice(`${what} ${error.message}`);
      return false;
    }
  };
  const rewound = async (message, text) => {
    const files = message.parts.filter(({ type }) => type === 'file');
    const said = text === undefined ? {} : await withFiles(client, text, files);
    await client.rewind(page.sessionId, { message_id: message.id, ...said });
    page.follow = true;
    return true;
  };
  return {
    /** From a form, with `text`; answers again without. */
    rewind: (message, text) => (text === undefined ? told('It could not be answered again.', rewound)(message) : rewound(message, text)),
    runOn: told('The turn could not be run on.', (turnId) => client.retry(page.sessionId, { turn_id: turnId })),
    goTo: told('The other branch could not be shown.', (branch) => client.rewind(page.sessionId, { branch })),
    fork: told('The session could not be forked.', async (turnId) => {
      const { session_id: made } = await client.fork(page.sessionId, turnId);
      open(made);
    }),
    /** From a form. */
    editQueued: async (id, text, files) => client.editMessage(page.sessionId, id, await withFiles(client, text, files)),
    withdraw: told('The message could not be withdrawn.', (id) => withdraw(id)),
    sendNow: told('The message could not be sent at once.', async (id, entry) => {
      const files = await uploaded(client, entry.files);
      await withdraw(id);
      outbox.send({ ...entry, files, sessionId: page.sessionId, messageId: newId(), busy: 'interrupt' });
    }),
  };

  async function withdraw(id) {
    const answer = await client.withdraw(page.sessionId, id);
    outbox.drop([id]);
    return answer ?? true;
  }
}
