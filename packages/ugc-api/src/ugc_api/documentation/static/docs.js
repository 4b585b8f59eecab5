"use strict";
SwaggerUIBundle({
  // Absolute, because a page that was opened as http://user:password@… may not fetch its own kind.
  url: new URL("openapi.json", location.origin + location.pathname).href,
  dom_id: "#swagger-ui",
  deepLinking: true,
  layout: "BaseLayout",
  validatorUrl: null,
});
