"use strict";
// Everything that comes from outside is set as text, never as markup.

const by = (id) => document.getElementById(id);
const OPEN = "\u2013";

function number(id) {
  const value = by(id).value.trim();
  return value === "" ? null : Number(value);
}

function asked() {
  return {
    text: by("text").value,
    age: number("age"),
    sex: by("sex").value || null,
    heart_rate: number("heart_rate"),
    seed: number("seed") ?? 0,
  };
}

function element(name, text) {
  const made = document.createElement(name);
  made.textContent = text;
  return made;
}

function busy(is) {
  by("make").disabled = by("another").disabled = is;
  by("result").setAttribute("aria-busy", is);
  by("status").textContent = is ? "Making the ECG\u2026" : "";
}

function fail(sentence) {
  by("error").textContent = sentence;
  by("error").hidden = !sentence;
}

function row(measure) {
  const made = document.createElement("tr");
  const head = element("th", `${measure.name}, ${measure.unit}`);
  head.scope = "row";
  made.append(head, ...["asked", "similar", "measured"].map((key) => element("td", measure[key] || OPEN)));
  return made;
}

function show(told) {
  by("picture").src = `${told.files}/ecg.svg`;
  by("picture").alt = `12-lead ECG on paper. ${told.title}`;
  by("wfdb").href = `${told.files}/ecg.zip`;
  by("pdf").href = `${told.files}/ecg.pdf`;
  by("measures").replaceChildren(...told.measures.map(row));
  by("understood").replaceChildren(...told.understood.map((line) => element("li", line)));
  const experience = told.experience;
  by("report").textContent = experience ? experience.report : "No similar training patient is known.";
  by("source").textContent = experience
    ? `${experience.id}, written by the distiller ${experience.distiller} from ${experience.neighbours} records; ` +
      `most similar: ${experience.nearest.join(", ")}`
    : "";
  by("command").textContent = told.command;
  by("result").hidden = false;
  by("result").focus({ preventScroll: true });
}

async function make() {
  fail("");
  busy(true);
  try {
    const headers = { "Content-Type": "application/json" };
    const answer = await fetch("/ecgs", { method: "POST", headers, body: JSON.stringify(asked()) });
    const told = await answer.json();
    if (answer.ok) show(told);
    else fail(told.error);
  } catch {
    fail("sediff studio does not answer: see whether it still runs in its terminal.");
  } finally {
    busy(false);
  }
}

by("asked").addEventListener("submit", (event) => {
  event.preventDefault();
  make();
});
by("another").addEventListener("click", () => {
  by("seed").value = (number("seed") ?? 0) + 1;
  by("asked").requestSubmit();
});
by("text").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) by("asked").requestSubmit();
});
