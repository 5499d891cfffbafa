/** Sends answers to questions, and knows who asks: what `questions.js` is given. */

/** `page`: the state of `chat.js`; `agentNamed(name)` → what the server says of the agent, or null. */
export function answering(client, page, agentNamed) {
  // What a sub-agent asks is answered at its own session.
  const answer = ({ session_id: id = page.sessionId, question_id: question }, body, options) => client.answer(id, question, body, options);
  const about = ({ agents, name }) => {
    const agent = agentNamed(agents?.at(-1) ?? page.view.session.agent);
    const tool = agent?.tools?.find((one) => one.name === name);
    return { agent: agent?.name ?? page.view.session.agent, description: tool?.description, output: tool?.output };
  };
  return Object.assign(answer, { about });
}
