// Invokes the handler at Lambda's HTTP API, as `sam local start-lambda` does, without a container:
// npm run build && node serve.js 3001, for `bitting local --lambda http://127.0.0.1:3001`.
import { createServer } from "node:http";
import { text } from "node:stream/consumers";
import { handler } from "./build/app.js";

const server = createServer(async (request, response) => {
  try {
    response.end(JSON.stringify(await handler(JSON.parse(await text(request)))));
  } catch (error) {
    console.error(error);
    response.setHeader("X-Amz-Function-Error", "Unhandled");
    response.end(JSON.stringify({ errorMessage: String(error), errorType: "Error" }));
  }
});
server.listen(Number(process.argv[2] ?? 3001), "127.0.0.1", () => console.log(`http://127.0.0.1:${server.address().port}`));
