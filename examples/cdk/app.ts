// A REST API whose callers have keys of Bitting, with 429s by API Gateway itself.
import { readFileSync } from "node:fs";
import { App, Duration, Fn, Stack } from "aws-cdk-lib";
import { ApiKey, ApiKeySourceType, LambdaIntegration, RequestAuthorizer, ResponseType, RestApi } from "aws-cdk-lib/aws-apigateway";
import { Code, Function, Runtime } from "aws-cdk-lib/aws-lambda";
import { parse } from "yaml";

const bitting = "bitting"; // the name of the stack that is Bitting
const environment = "production";
const docsUrl = "https://github.com/bitting-keys/bitting/blob/main/docs/problems.md#";

const app = new App({ outdir: "cdk.out" });
const stack = new Stack(app, "Orders");

const authorizer = new RequestAuthorizer(stack, "Bitting", {
  // sameEnvironment, or CDK gives API Gateway no permission to call another stack's function
  handler: Function.fromFunctionAttributes(stack, "Authorizer", {
    functionArn: Fn.importValue(`${bitting}-authorizer-${environment}`),
    sameEnvironment: true,
  }),
  identitySources: [],
  resultsCacheTtl: Duration.seconds(0), // strict: a key that is revoked is refused at once
});

const api = new RestApi(stack, "Api", {
  restApiName: "Orders",
  cloudWatchRole: false,
  apiKeySourceType: ApiKeySourceType.AUTHORIZER,
  deployOptions: { stageName: environment, variables: { bittingApi: "orders" } },
  defaultMethodOptions: { authorizer, apiKeyRequired: true },
});

const backend = new LambdaIntegration(new Function(stack, "Backend", {
  runtime: Runtime.PYTHON_3_13,
  handler: "app.handler",
  code: Code.fromAsset("../python", { exclude: ["test_*", "__pycache__"] }),
}));
const orders = api.root.addResource("orders");
orders.addMethod("GET", backend);
orders.addMethod("POST", backend);
orders.addResource("{orderId}").addMethod("PATCH", backend);

// The admit key in a plan of this API's: a call over its key's limits has another, and gets 429.
api.addUsagePlan("Plan", { apiStages: [{ stage: api.deploymentStage }] })
  .addApiKey(ApiKey.fromApiKeyId(stack, "AdmitKey", Fn.importValue(`${bitting}-admit-key`)));

type Response = { statusCode?: number; responseParameters: Record<string, string>; responseTemplates: Record<string, { "Fn::Sub": string }> };
const responses = parse(readFileSync("../gateway-responses.yaml", "utf8")) as Record<string, Response>;
for (const [type, { statusCode, responseParameters, responseTemplates }] of Object.entries(responses)) {
  api.addGatewayResponse(type, {
    type: ResponseType.of(type),
    statusCode: statusCode?.toString(),
    responseHeaders: Object.fromEntries(Object.entries(responseParameters).map(([name, value]) => [name.split(".").pop()!, value])),
    templates: Object.fromEntries(Object.entries(responseTemplates).map(([media, text]) => [media, text["Fn::Sub"].replace("${DocsUrl}", docsUrl)])),
  });
}

app.synth();
