// What the page does beyond plain HTML: it follows the live state, and takes the code of a QR code
// from the address into its field. Everything else works without it.
"use strict";

const live = document.getElementById("live");
if (live && window.EventSource) {
  const lost = document.getElementById("lost");
  const source = new EventSource("/live");
  source.addEventListener("now", (event) => {
    lost.hidden = true;
    live.innerHTML = event.data;
  });
  source.addEventListener("error", () => {
    lost.hidden = false;
  });
}

const code = document.getElementById("code");
if (code && /^#\d{8}$/.test(location.hash)) {
  code.value = location.hash.slice(1);
  // The code is good once; it need not stay in the history.
  history.replaceState(null, "", location.pathname);
  const name = document.getElementById("name");
  if (name) name.focus();
}
