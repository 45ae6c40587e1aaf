package localgateway_test

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/bitting-keys/bitting/pkg/localgateway"
)

// typical is an answer of our authorizer to a call of a key with a few permissions.
const typical = `{"principalId":"7Qm2Xb0aVd91KtZs","policyDocument":{"Version":"2012-10-17","Statement":[` +
	`{"Action":"execute-api:Invoke","Effect":"Allow","Resource":["arn:aws:execute-api:us-east-1:123456789012:*/plain/GET/messages",` +
	`"arn:aws:execute-api:us-east-1:123456789012:*/plain/GET/messages/*","arn:aws:execute-api:us-east-1:123456789012:*/plain/POST/messages",` +
	`"arn:aws:execute-api:us-east-1:123456789012:*/plain/GET/metrics","arn:aws:execute-api:us-east-1:123456789012:*/*/GET/*"]},` +
	`{"Action":"execute-api:Invoke","Effect":"Deny","Resource":["arn:aws:execute-api:us-east-1:123456789012:*/plain/GET/messages/*/*"]}]},` +
	`"context":{"api":"demo","keyId":"7Qm2Xb0aVd91KtZs","keyName":"Demo production","organizationId":"acme","environment":"production",` +
	`"ownerId":"user-1","customers":"","permissions":"messages:write,messages:read,metrics:read","permission":"messages:read","limits":"",` +
	`"limited":"false","retryAfter":"0","denialCode":"permission_denied","denialDetail":"The key does not hold a permission for this route.",` +
	`"requiredPermission":""},"usageIdentifierKey":"k"}`

// BenchmarkCall measures what the gateway does of one call: its functions answer at once.
func BenchmarkCall(b *testing.B) {
	for name, file := range map[string]string{"rest": "rest.yaml", "http": "http.yaml"} {
		b.Run(name, func(b *testing.B) {
			g, err := localgateway.New(localgateway.Config{
				Template: read(b, file),
				API:      "Plain",
				Functions: map[string]lambda.Handler{
					"Authorizer": answers(typical),
					"Backend":    answers(ok),
				},
			})
			if err != nil {
				b.Fatal(err)
			}

			b.ReportAllocs()

			for b.Loop() {
				r := httptest.NewRequestWithContext(b.Context(), http.MethodGet,
					"http://127.0.0.1:4000/keys/42?a=b", nil)
				r.Header.Set("X-Api-Key", "bt_prod_7Qm2Xb0aVd91KtZs_0123456789abcdefghijABCDEFGHIJKL3NOHGi")
				r.Header.Set("User-Agent", "curl/8.5.0")
				r.Header.Set("Accept", "*/*")

				w := httptest.NewRecorder()
				if g.ServeHTTP(w, r); w.Code != http.StatusOK {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
