// Starts Swagger UI on the document beside the page. It is a file of its own, since the page's policy
// lets no script run that stands in the page.
globalThis.SwaggerUIBundle({
  url: 'openapi.json',
  dom_id: '#reference',
  deepLinking: true, // so that a link leads to an operation: #/keys/rotateKey
  displayOperationId: true,
  filter: true,
  persistAuthorization: false, // keys stay in this page's memory
  validatorUrl: null, // nothing is asked of other hosts
});
