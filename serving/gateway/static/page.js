import { byId, element, number, percent } from "./dom.js";
import { hideExplanation, showExplanation } from "./explanation.js";

const TIMEOUT_MS = 15000;

const SENTIMENTS = { positive: "Positivo", neutral: "Neutral", negative: "Negativo" };

const TASTES = {
  dulce: "dulce", salado: "salado", picante: "picante", acido: "ácido", amargo: "amargo",
  umami: "umami", crocante: "crocante", cremoso: "cremoso", fresco: "fresco", grasoso: "grasoso",
};

const FEATURES = {
  rating_mean_30d: ["Calificación media", (value) => `${number(value, 1)} de 5`],
  volume_30d: ["Opiniones", (value) => number(value, 0)],
};

const PROBLEMS = {
  empty_text: "Escribe primero una opinión.",
  text_too_long: "El texto es demasiado largo.",
  unknown_region: "Esa región no está en la lista.",
  model_unavailable: "El modelo no está disponible en este momento. Espera unos segundos y prueba otra vez.",
  overloaded: "Hay muchas consultas a la vez. Espera unos segundos y prueba otra vez.",
  model_timeout: "El modelo tardó demasiado en responder. Prueba otra vez.",
  unreachable: "No hay conexión con el servidor. Revisa tu red y prueba otra vez.",
  too_slow: "El servidor tardó demasiado en responder. Prueba otra vez.",
};

let latest;

function showProblem(code) {
  byId("problem").textContent = PROBLEMS[code] ?? "No se pudo analizar el texto. Prueba otra vez.";
  byId("problem").hidden = false;
  byId("result").hidden = true;
  const mistakes = ["empty_text", "text_too_long"];
  byId("text").setAttribute("aria-invalid", String(mistakes.includes(code)));
  if (mistakes.includes(code)) byId("text").focus();
}

function bar(label, share, className) {
  const row = element("li", className);
  const track = element("span", "track");
  track.setAttribute("aria-hidden", "true");
  const fill = element("span", "fill");
  fill.style.width = `${Math.max(share * 100, 0.5)}%`;
  track.append(fill);
  row.append(element("span", "", label), track, element("span", "amount", percent(share)));
  return row;
}

function ranked(shares) {
  return Object.entries(shares).sort((one, other) => other[1] - one[1]);
}

function showContext(context, product, region) {
  const known = Object.entries(FEATURES).filter(([name]) => name in context);
  byId("context").hidden = known.length === 0;
  byId("place").textContent = ` · ${product}, ${region}`;
  byId("features").replaceChildren(...known.map(([name, [label, format]]) => {
    const pair = element("div");
    const value = context[name];
    pair.append(element("dt", "", label), element("dd", "", value === null ? "sin datos" : format(value)));
    return pair;
  }));
}

function showAnswer(answer, question) {
  const [prediction] = answer.predictions;
  byId("verdict").textContent = SENTIMENTS[prediction.sentiment] ?? prediction.sentiment;
  byId("verdict").className = prediction.sentiment;
  byId("sentiments").replaceChildren(
    ...Object.keys(SENTIMENTS).map((name) => bar(SENTIMENTS[name], prediction.sentiment_probs[name], name)));
  const chips = prediction.tastes.map((name) => element("li", "", TASTES[name] ?? name));
  byId("tastes").replaceChildren(
    ...(chips.length ? chips : [element("li", "none", "No menciona ninguno con claridad.")]));
  byId("all-tastes").replaceChildren(
    ...ranked(prediction.taste_probs).map(([name, share]) => bar(TASTES[name] ?? name, share)));
  byId("version").textContent = answer.model_version;
  showContext(answer.context, question.product, question.region);
  byId("result").hidden = false;
  byId("result").scrollIntoView({ block: "nearest" });
}

async function ask(route, question) {
  let response;
  try {
    response = await fetch(`api/v1/${route}`, {
      method: "POST",
      // The page has words of its own for the labels, whatever the browser speaks.
      headers: { "Content-Type": "application/json", "Accept-Language": "*" },
      body: JSON.stringify(question),
      signal: AbortSignal.timeout(TIMEOUT_MS),
    });
  } catch (error) {
    return { problem: error.name === "TimeoutError" ? "too_slow" : "unreachable" };
  }
  const document = await response.json().catch(() => ({}));
  return response.ok ? { answer: document } : { problem: document.error?.code ?? "unknown" };
}

function readQuestion() {
  const question = { text: byId("text").value };
  const product = byId("product").value.trim();
  const region = byId("region").value;
  if (product) question.product = product;
  if (region) question.region = region;
  return question;
}

async function submit(event) {
  event.preventDefault();
  const question = readQuestion();
  latest = question;
  if (!question.text.trim()) return showProblem("empty_text");
  byId("send").disabled = true;
  byId("send").textContent = "Probando…";
  hideExplanation();
  const { answer, problem } = await ask("predict", question);
  byId("send").disabled = false;
  byId("send").textContent = "Probar";
  if (problem) return showProblem(problem);
  byId("problem").hidden = true;
  byId("text").removeAttribute("aria-invalid");
  showAnswer(answer, question);
  explain(question, answer);
}

/* Comes after the answer, so that the answer need not wait. Nothing is shown where the model cannot explain, or where
   it explains another answer: of another version, or one that knew product and region. */
async function explain(question, shown) {
  const { answer } = await ask("explain", question);
  if (!answer || latest !== question || answer.model_version !== shown.model_version) return;
  const [explanation] = answer.explanations;
  const { sentiment } = shown.predictions[0];
  if (explanation.sentiment === sentiment) showExplanation(explanation, SENTIMENTS[sentiment] ?? sentiment);
}

function countCharacters() {
  byId("length").textContent = number(byId("text").value.length, 0);
}

byId("form").addEventListener("submit", submit);
byId("text").addEventListener("input", countCharacters);
for (const button of document.querySelectorAll("[data-sample]")) {
  button.addEventListener("click", () => {
    byId("text").value = button.dataset.sample;
    countCharacters();
    byId("text").focus();
  });
}
countCharacters();
