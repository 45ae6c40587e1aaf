// Package authorizer is the Lambda authorizer: it turns API Gateway's events into checks, and
// verdicts into what API Gateway understands.
//
// It takes REST API events of type TOKEN and REQUEST and HTTP API events of payload 1.0 and 2.0,
// tells them apart by themselves, and answers each in its own form. It promises that a bad key is
// the exact error "Unauthorized", which API Gateway makes a 401; that a refusal carries the reason
// that gateway responses render; that a call over a limit, for which an authorizer has no word, is
// let in as one that the gateway or the backend answers with 429; that a failing dependency is an
// error of another text, which is a 5xx and never a 401 or an allow; that no answer waits for its
// call to be counted; and that no key is ever in an answer, an error or a log line. The environment
// comes from its configuration, never from an event.
//
// https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-use-lambda-authorizer.html
package authorizer
