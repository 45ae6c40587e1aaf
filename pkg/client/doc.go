// Package client calls the admin API: a method for each operation of its OpenAPI document, named as
// the operation is.
//
//	c, err := client.New(client.Config{URL: "https://admin.example.com", Key: key})
//	…
//	made, err := c.CreateKey(ctx, "acme", api.CreateKey{Name: "Website", Environment: "production"})
//
// It promises:
//
//   - What is refused is an [*Error] with the problem's code and its wrong fields. [errors.Is] tells
//     codes apart: errors.Is(err, client.ErrNotFound).
//   - Only what is safe to send again is sent again, a few times, after a while. A POST that changes
//     something carries an Idempotency-Key; without one, it is sent once, as every PATCH is.
//   - The key goes to the address that it was given for, whatever that redirects to, and no error
//     has it.
//
// A secret is shown once. Where the first answer was lost on its way, the repeated call gets the
// same key with a nil Secret and Replayed set: regenerate that key to have a secret of it.
package client
