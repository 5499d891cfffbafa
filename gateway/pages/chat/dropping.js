/** Files that people drop on the page, paste into the text box, or choose. */

import { byId } from '../shared/dom.js';

/** `onFiles(files, folders)` gets them, and how many folders were among them, which no browser reads as a file. While files hang over the conversation, a veil says what will become of them. */
export function takeFiles(onFiles) {
  const [veil, box, button, input] = ['drop', 'message', 'attach', 'file-input'].map(byId);
  // The whole page: anywhere else, the browser would open the file in place of the conversation.
  const area = document;
  let inside = 0;
  const over = (depth) => {
    inside = depth;
    veil.hidden = depth === 0;
  };
  const holdsFiles = (event) => event.dataTransfer?.types.includes('Files');
  area.addEventListener('dragenter', (event) => holdsFiles(event) && (event.preventDefault(), over(inside + 1)));
  area.addEventListener('dragleave', (event) => holdsFiles(event) && over(Math.max(inside - 1, 0)));
  area.addEventListener('dragover', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = 'copy';
  });
  area.addEventListener('drop', (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    over(0);
    const { files, items } = event.dataTransfer;
    const given = [...items].filter(({ kind }) => kind === 'file').map((item) => item.webkitGetAsEntry());
    const kept = [...files].filter((_, place) => !given[place]?.isDirectory);
    onFiles(kept, files.length - kept.length);
  });
  box.addEventListener('paste', (event) => {
    const { files, types } = event.clipboardData;
    // Office programs give a picture of the text beside the text.
    if (!files.length || types.includes('text/plain')) return;
    event.preventDefault();
    onFiles([...files]);
  });
  button.addEventListener('click', () => input.click());
  input.addEventListener('change', () => {
    onFiles([...input.files]);
    // The same file can be chosen again after it was removed.
    input.value = '';
  });
}
