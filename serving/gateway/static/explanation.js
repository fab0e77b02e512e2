import { byId, element, percent } from "./dom.js";

const FAINT = 0.1;
const NAMED = 5;

export function hideExplanation() {
  byId("explanation").hidden = true;
}

export function showExplanation({ text, words }, verdict) {
  const seen = words.filter((word) => word.start !== null && Math.abs(word.strength) >= FAINT);
  if (!seen.length) return;
  byId("words").replaceChildren(...pieces(text, seen, verdict));
  byId("words-aloud").textContent = aloud(seen, verdict);
  for (const node of document.querySelectorAll(".named")) node.textContent = verdict;
  byId("explanation").hidden = false;
}

/* Spans count characters, JavaScript's strings count halves of an emoji. */
function* pieces(text, words, verdict) {
  const characters = Array.from(text);
  let place = 0;
  for (const word of words) {
    yield characters.slice(place, word.start).join("");
    yield highlight(word, verdict);
    place = word.end;
  }
  yield characters.slice(place).join("");
}

function highlight(word, verdict) {
  const mark = element("mark", side(word) > 0 ? "for" : "against", word.word);
  mark.style.setProperty("--strength", percentOf(word));
  mark.title = `${side(word) > 0 ? "A favor" : "En contra"} de «${verdict}»: ${percent(Math.abs(word.strength))}`;
  return mark;
}

function aloud(words, verdict) {
  const list = (sign) => words
    .filter((word) => side(word) === sign)
    .sort((one, other) => Math.abs(other.strength) - Math.abs(one.strength))
    .slice(0, NAMED)
    .map((word) => word.word)
    .join(", ") || "ninguna";
  return `A favor de «${verdict}»: ${list(1)}. En contra: ${list(-1)}.`;
}

function side(word) {
  return Math.sign(word.strength);
}

function percentOf(word) {
  return `${Math.round(Math.abs(word.strength) * 100)}%`;
}
