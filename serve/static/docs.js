// Starts the viewer of the OpenAPI file (Swagger UI); it and the page share the key of this tab.

import { key } from "./api.js";

const viewer = SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#viewer",
  deepLinking: true,
  validatorUrl: null, // it would ask another host
  onComplete: () => key.get() && viewer.preauthorizeApiKey("key", key.get()),
  requestInterceptor: (request) => {
    if (request.headers["X-API-Key"]) key.set(request.headers["X-API-Key"]);
    return request;
  },
});
