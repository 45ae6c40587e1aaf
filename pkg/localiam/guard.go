package localiam

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"strings"
)

// maxBody is more than DynamoDB takes in one call, 16 MiB.
const maxBody = 32 << 20

// Guard returns a handler for the calls of DynamoDB and KMS that the functions make: each calls it
// at a path that is the function's logical id. What its role allows goes on to next; the rest is
// refused as AWS refuses it.
func (r *Roles) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		function := strings.Trim(q.URL.Path, "/")

		body, err := io.ReadAll(http.MaxBytesReader(w, q.Body, maxBody))
		if err != nil {
			deny(w, "the body cannot be read")
			return
		}

		if err := r.Check(function, q.Header.Get("X-Amz-Target"), body); err != nil {
			deny(w, err.Error())
			return
		}

		onward := q.Clone(q.Context())
		onward.URL.Path = "/"
		onward.Body = io.NopCloser(bytes.NewReader(body))
		next.ServeHTTP(w, onward)
	})
}

func deny(w http.ResponseWriter, message string) {
	w.Header().Set("Content-Type", "application/x-amz-json-1.0")
	w.WriteHeader(http.StatusBadRequest)
	_ = json.NewEncoder(w).Encode(map[string]string{
		"__type":  "com.amazon.coral.service#AccessDeniedException",
		"message": message,
	})
}
