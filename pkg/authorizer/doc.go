// Package authorizer is the Lambda authorizer: it turns the events of API Gateway and AppSync into
// checks, and verdicts into what these understand.
//
// It accepts REST API events of type TOKEN and REQUEST, HTTP API events of payload 1.0 and 2.0,
// those of WebSocket handshakes and those of AppSync's GraphQL APIs, recognises them by their form,
// and answers each in its own form. It promises of API Gateway's:
//
//   - A bad key is the exact error "Unauthorized", which API Gateway turns into a 401.
//   - A refusal carries the reason that gateway responses render.
//   - A call over a limit, which an authorizer cannot express, is admitted in a way that makes the
//     gateway or the backend answer 429.
//
// AppSync knows one refusal only. And of all of them:
//
//   - A failing dependency is an error with another text, which is a 5xx and never a 401 or an
//     allow.
//   - No answer waits for its call to be counted.
//   - No key is ever in an answer, an error or a log line.
//
// The environment comes from its configuration, never from an event.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
package authorizer
