/**
 * The line above the text box that says what no worker does at the moment. It goes by itself when one is back.
 *
 * Rule: nothing is lost meanwhile. What the server took is kept there, and what it has not is kept by the outbox.
 */
import { setText } from '../shared/dom.js';

const SAID = {
  sessions: 'No worker is running; your message is kept, and answered as soon as one is back.',
  models: 'No worker calls models at the moment; your message is kept, and answered as soon as one does.',
  tools: 'No worker runs tools at the moment; calls wait until one does.',
};
const UNSAID = 'No worker is running. What you send is kept, and answered as soon as one is back.';

/** `waiting`: messages of this page that the session has not shown yet. */
export function drawWorkers(node, { missing, status, queued }, waiting) {
  const works = status === 'working' || queued.length > 0 || waiting.length > 0;
  // While the session rests, only that nothing of it would go on is worth a word.
  const [kind] = works ? missing : missing.filter((one) => one === 'sessions');
  node.hidden = !kind;
  setText(node, kind ? (works ? SAID[kind] : UNSAID) : '');
}
