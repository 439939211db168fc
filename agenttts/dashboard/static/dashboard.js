// Brings the page of a running session up to date, until it has ended.
"use strict";
const SECONDS = 2;
const live = document.getElementById("live");

async function renew() {
  if (document.hidden || live.contains(document.activeElement)) {
    return true; // nobody looks, or somebody is about to press a button
  }
  const answer = await fetch(live.dataset.source, { credentials: "same-origin" });
  if (answer.ok) {
    live.innerHTML = await answer.text(); // rendered and escaped by our own server
  }
  return live.firstElementChild.dataset.running === "yes";
}

async function follow() {
  let goesOn = true;
  try {
    goesOn = await renew();
  } catch {
    // The server is away; it may come back.
  }
  if (goesOn) {
    setTimeout(follow, 1000 * SECONDS);
  }
}

if (live && live.firstElementChild.dataset.running === "yes") {
  setTimeout(follow, 1000 * SECONDS);
}
