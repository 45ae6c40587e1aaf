package local

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/bitting-keys/bitting/pkg/apikey"
	"github.com/bitting-keys/bitting/pkg/localgateway/template"
	"github.com/bitting-keys/bitting/pkg/localiam"
	"github.com/bitting-keys/bitting/pkg/pepper"
)

// startRoles puts the functions' roles between them and the stand-ins, if the options ask for it.
func (m *machine) startRoles(ctx context.Context) (stop func() error, err error) {
	if m.options.Roles == nil {
		return func() error { return nil }, nil
	}

	roles, err := localiam.New(m.template)
	if err != nil {
		return nil, err
	}

	keys, err := pepper.NewLocal(m.keys())
	if err != nil {
		return nil, err
	}

	tables, err := url.Parse(m.storeURL)
	if err != nil {
		return nil, err
	}

	listener, err := listen(ctx, "127.0.0.1:0")
	if err != nil {
		return nil, err
	}

	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(tables)
			r.Out.Host = r.In.Host // it is signed
		},
		Transport: &http.Transport{MaxIdleConnsPerHost: 64},
	}
	server := &http.Server{
		Handler: roles.Guard(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if strings.HasPrefix(r.Header.Get("X-Amz-Target"), "TrentService.") {
				decrypt(w, r, keys)
				return
			}

			proxy.ServeHTTP(w, r)
		})),
		ReadHeaderTimeout: 10 * time.Second,
	}

	go func() { _ = server.Serve(listener) }() // ends by Close

	m.rolesURL = "http://" + listener.Addr().String()
	m.options.Roles(roles)
	return func() error {
		proxy.Transport.(*http.Transport).CloseIdleConnections()
		return server.Close()
	}, nil
}

// heldToRole makes a function call DynamoDB and KMS by way of its role.
func (m *machine) heldToRole(f template.Function) map[string]string {
	environment := m.environment(f.Environment)
	if m.rolesURL == "" {
		return environment
	}

	delete(environment, "BITTING_LOCAL_KEYS")

	environment["AWS_ENDPOINT_URL_DYNAMODB"] = m.rolesURL + "/" + f.ID
	environment["AWS_ENDPOINT_URL_KMS"] = m.rolesURL + "/" + f.ID
	return environment
}

// decrypt answers kms:Decrypt with the keys on disk.
func decrypt(w http.ResponseWriter, r *http.Request, keys *pepper.Local) {
	var in struct {
		CiphertextBlob    []byte
		EncryptionContext map[string]string
	}

	err := json.NewDecoder(r.Body).Decode(&in)
	version, _ := strconv.Atoi(in.EncryptionContext["version"])

	var plain []byte
	if err == nil {
		plain, err = keys.Unwrap(r.Context(), pepper.Scope{
			Environment: apikey.Environment(in.EncryptionContext["environment"]),
			Version:     version,
		}, in.CiphertextBlob)
	}

	w.Header().Set("Content-Type", "application/x-amz-json-1.1")

	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		_ = json.NewEncoder(w).Encode(map[string]string{"__type": "InvalidCiphertextException"})
		return
	}

	_ = json.NewEncoder(w).Encode(map[string][]byte{"Plaintext": plain})
}
