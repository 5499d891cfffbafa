/** Texts as people search for them. Pure. */

/** Without accents and case. */
export const folded = (text) => text.normalize('NFD').replace(/\p{M}/gu, '').toLowerCase();
