// Package client calls the admin API: it has a method for each operation of the OpenAPI document,
// with the operation's name.
//
//	c, err := client.New(client.Config{URL: "https://admin.example.com", Key: key})
//	…
//	made, err := c.CreateKey(ctx, "acme", api.CreateKey{Name: "Website", Environment: "production"})
//
// It promises:
//
//   - A refusal is an [*Error] with the problem's code and its invalid fields. Use [errors.Is] to
//     check for a code: errors.Is(err, client.ErrNotFound).
//   - A request is repeated only if that is safe, a few times, after a pause. A POST that changes
//     something carries an Idempotency-Key; a POST without one is sent once, as is every PATCH.
//   - The key is sent only to the configured address, even if that redirects, and appears in no
//     error.
//
// A secret is shown once. If the first answer was lost, the repeated call returns the same key with
// a nil Secret and Replayed set: regenerate that key to get a secret.
package client
