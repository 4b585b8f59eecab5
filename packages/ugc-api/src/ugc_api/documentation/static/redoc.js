"use strict";
const description = new URL("openapi.json", location.origin + location.pathname).href;
Redoc.init(description, {}, document.getElementById("redoc"));
