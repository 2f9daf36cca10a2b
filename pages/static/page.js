// What makes the pages a little easier. Everything works without it.
"use strict";

const body = document.body;

const SENDING_MS = 20000;

// The form can be sent again: the browser is back from the next page, or none came.
const release = (form) => {
  delete form.dataset.sent;
  form.removeAttribute("aria-busy");
  for (const note of form.querySelectorAll(".sending")) {
    note.remove();
  }
  for (const button of form.querySelectorAll("button.busy")) {
    button.classList.remove("busy");
    button.removeAttribute("aria-disabled");
  }
};

// A form that was sent shows so, and is not sent twice.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.dataset.sent) {
    event.preventDefault();
    return;
  }
  if (form.method !== "post") {
    return;
  }
  form.dataset.sent = "yes";
  form.setAttribute("aria-busy", "true");
  const button = event.submitter;
  // A button that is disabled before the form is gone would not be sent with it.
  setTimeout(() => {
    if (button && form.classList.contains("form")) {
      button.classList.add("busy");
      button.setAttribute("aria-disabled", "true");
      const note = document.createElement("span");
      note.className = "hidden sending";
      note.setAttribute("role", "status");
      note.textContent = body.dataset.busy;
      form.append(note);
    }
  }, 0);
  setTimeout(() => release(form), SENDING_MS);
});

window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach(release);
});

// Mistakes are read out and reached first.
const mistakes = document.querySelector("[data-focus]");
if (mistakes) {
  mistakes.focus();
}

// Copying, where the browser allows it.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const words = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.dataset.copy);
      button.textContent = body.dataset.copied;
      setTimeout(() => {
        button.textContent = words;
      }, 2000);
    });
  }
}

// A page that asks for it is fetched anew after data-refresh seconds, unless someone types in it.
const refresh = document.querySelector("[data-refresh]");
if (refresh) {
  setTimeout(() => {
    const active = document.activeElement;
    if (!active || active === body || active.id === "content") {
      location.reload();
    }
  }, 1000 * Number(refresh.dataset.refresh));
}
